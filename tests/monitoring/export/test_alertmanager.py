"""The example for Alertmanager and the probes of the critical endpoints, by the real programs."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cartctl.monitoring.export.documents import prometheus_files
from cartctl.monitoring.export.settings import RuleSettings
from tests.monitoring.export.prometheus import environment, free_port, prometheus, promtool, query, write
from tests.sandbox_fixture import wait_for
from tests.services import require
from tests.web import Reply, WebRequest, serve


def run(program: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """One call of a program."""
    command = [str(require(program)), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def exported(
    directory: Path, text: str = "", *, api: str = "http://localhost", name: str = "production"
) -> dict[str, Path]:
    """The exported files by their kind."""
    files = prometheus_files(RuleSettings.of(environment(directory, text, name, api)))
    out = write(directory / "out", files)
    return {path.name.split(".")[-2]: path for path in out.iterdir()}


@pytest.mark.parametrize("name", ("production", 'a"b\\c', "{{ .Value }}"))
def test_the_examples_are_valid(tmp_path: Path, name: str) -> None:
    """For amtool, promtool and blackbox_exporter."""
    files = exported(tmp_path, name=name)
    assert run("amtool", "check-config", files["alertmanager"]).returncode == 0
    assert promtool("check", "config", files["probes"]).returncode == 0
    checked = run("prometheus-blackbox-exporter", f"--config.file={files['blackbox']}", "--config.check")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    (
        ("severity=page trigger=error_rate environment=production", "cart-on-call"),
        ("severity=page metric=error_rate environment=production", "cart-on-call"),
        ("severity=critical metric=error_rate environment=production", "cart-chat"),
        ("severity=warning metric=error_rate environment=production", "cart-chat"),
    ),
)
def test_triggers_call_whoever_is_on_call(tmp_path: Path, labels: str, receiver: str) -> None:
    """So does missing data; a threshold goes to a channel."""
    config = f"--config.file={exported(tmp_path)['alertmanager']}"
    done = run("amtool", "config", "routes", "test", config, *labels.split())
    assert (done.returncode, done.stdout.strip()) == (0, receiver), done.stderr


QUICK = 'monitor = { every = "1s", critical_failures = 3 }'


def test_a_critical_endpoint_that_fails_fires_the_second_trigger(tmp_path: Path) -> None:
    """Probed by a real blackbox_exporter as the exported job says; the trigger names the path and clears again."""
    down: set[str] = set()

    def answer(request: WebRequest) -> Reply:
        if request.path == "/api/auth/session":
            return Reply({}, 401)
        return Reply({}, 503 if request.path in down else 200)

    port = free_port()
    with serve(answer) as api:
        files = exported(tmp_path, QUICK, api=api.url)
        exporter = subprocess.Popen(
            [
                str(require("prometheus-blackbox-exporter")),
                f"--config.file={files['blackbox']}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            job: Any = yaml.safe_load(files["probes"].read_text())["scrape_configs"][0]
            job["relabel_configs"][-1]["replacement"] = f"127.0.0.1:{port}"
            rules = {"rule_files": [str(files["rules"])], "scrape_configs": [job]}
            with prometheus(tmp_path, rules) as url:
                alert = 'ALERTS{alertname="CartRollbackCriticalPaths", alertstate="firing"}'
                wait_for(lambda: len(query(url, "probe_success == 1")) == 3)
                assert query(url, alert) == []
                down.add("/api/payments/health")
                wait_for(lambda: query(url, alert))
                assert {one["metric"]["path"] for one in query(url, alert)} == {"payments"}
                down.clear()
                wait_for(lambda: not query(url, alert))
        finally:
            exporter.terminate()
            exporter.wait(20)
