"""The page that a real run writes at its end, whatever the outcome, and what its notifiers receive meanwhile."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox_fixture import Sandbox
from tests.web import Reply, Web, serve

QUICK = {
    "CARTCTL_METRICS__KIND": "scrape",
    "CARTCTL_MONITOR__MINIMUM_REQUESTS": "1",
    "CARTCTL_MONITOR__EVERY": "500ms",
}


@pytest.fixture
def webhook() -> Iterator[Web]:
    """A webhook that accepts everything."""
    with serve(lambda _: Reply("ok")) as web:
        yield web


@pytest.fixture
def config(sandbox: Sandbox, webhook: Web, tmp_path: Path) -> Path:
    """The sandbox's configuration with the webhook, which receives every event."""
    events = '["window", "phase", "trigger", "rolled_back", "finished"]'
    notify = f'[env.sandbox]\nnotify = [{{ literal = "{webhook.url}", on = {events} }}]\n\n'
    text = Path(str(sandbox.status.config)).read_text()
    file = tmp_path / "cartctl.toml"
    file.write_text(text.replace("[env.sandbox.", f"{notify}[env.sandbox.", 1))
    return file


def cartctl(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The program in the sandbox's environment."""
    command = [sys.executable, "-m", "cartctl", "--env", "sandbox", "--config", str(config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **QUICK})


def test_a_run_writes_its_page_and_notifies_whatever_the_outcome(
    config: Path, webhook: Web, tmp_path: Path
) -> None:
    """A deployment with its samples and checks, and one that rolls back, with its cause; messages come in order."""
    page = tmp_path / "reports" / "run.html"
    deployed = cartctl(config, "deploy", "--yes", "--monitor-for", "3s", "--report", str(page))
    assert (deployed.returncode, f"to {page}" in deployed.stderr) == (0, True), deployed.stderr
    text = page.read_text()
    for words in ("Deployment to sandbox", "5 Verification", "API error rate", "Available replicas", "smoke"):
        assert words in text
    texts = [json.loads(request.body)["text"] for request in webhook.requests]
    assert "starts in sandbox" in texts[1]
    assert [text for text in texts if "phase" in text][-1].endswith("phase 5 Verification starts.")
    assert "succeeded." in texts[-1]
    assert "Report: cartctl report " in texts[-1]
    failed = cartctl(config, "deploy", "--yes", "--image", "payment-api=2.0.0-crash", "--report", str(page))
    assert failed.returncode == 4
    text = page.read_text()
    assert "rolled back" in text
    assert "CrashLoopBackOff" in text
    last = json.loads(webhook.requests[-1].body)["text"]
    assert ("rolled back." in last, "Cause: Deployment payment-api" in last) == (True, True)
