"""The whole rollout on a real sandbox and a fake calendar, until something breaks."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from cartctl.cli import app

RATE_WINDOW = 11  # seconds that the sandbox's Prometheus takes rates over, and one scrape


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """What is broken here is out of the figures before other tests look at their gates."""
    yield
    time.sleep(RATE_WINDOW)


def cli(field: Any, *argv: str, code: int = 0) -> Any:
    """One command with `-o json`: its last JSON document."""
    done = CliRunner().invoke(app, [*argv, "--config", str(field.sandbox.layout.config), "-o", "json"])
    assert done.exit_code == code, done.output
    text = done.stdout.strip()
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return json.loads(text.splitlines()[-1])


def test_twenty_days_with_a_breach_on_day_twelve(field: Any) -> None:
    """Each stage on its day with exact counts and nobody flipping; on day 12 payments break, and the rollout aborts itself."""
    assert len(field.on()) == 39  # as the platform's document has it: on for everybody
    assert field.begin().outcome == "succeeded"
    assert field.outside().get("/api/admin/carts").status == 404
    assert field.sandbox.api.get("/api/admin/carts").status == 200
    on: frozenset[str] = frozenset()
    counts = {}
    for day in range(12):
        report, result = field.by_itself(day)
        assert report is not None or result.startswith("Nothing is due")
        assert report is None or report.outcome == "succeeded", report.message
        now = field.on()
        assert on <= now
        on, counts[day] = now, len(now)
    assert counts == {day: 0 if day < 6 else 1 if day < 11 else 10 for day in range(12)}
    assert field.outside().get("/api/admin/carts").status == (200 if "harbor-goods" in on else 404)
    field.sandbox.cluster.set_images("payment-api", {"api": "2.0.0-payments-down"}, cause="test")
    field.settle()
    report, result = field.by_itself(12)
    assert report is not None
    assert (report.outcome, report.steps[-1].key) == ("succeeded", "flags.asked"), report.message
    assert field.on() == frozenset()
    shown = field.status()
    assert (shown.state, shown.enabled) == ("aborted", 0)
    last = shown.history[-1]
    assert (last.action, last.removed, last.before) == ("abort", 10, "25")
    assert "critical_paths" in last.why
    assert [step.action for step in shown.history] == ["start", "advance", "advance", "advance", "abort"]
    assert all(step.by for step in shown.history)
    assert field.by_itself(13) == (None, "Nothing to do: no rollout has started.")


def test_a_monitor_aborts_when_a_trigger_fires(field: Any) -> None:
    """With --auto-abort a fired trigger takes the flags to 0 %, and the exit code still says that it fired."""
    with field.sandbox.superuser.session("test") as connection:
        row = connection.execute("SELECT current_date").fetchone()
    assert row is not None
    cli(field, "rollout", "start", "--date", str(row[0]), "--yes")
    cli(field, "rollout", "set", "--percent", "25", "--force", "--yes", "--why", "a demo")
    field.sandbox.cluster.set_images("payment-api", {"api": "2.0.0-payments-down"}, cause="test")
    field.settle()
    result = cli(field, "monitor", "--for", "60s", "--auto-abort", code=7)
    fired = (
        "critical_paths fired",
        "error_rate fired",
    )  # failing payments are both; which comes first depends on the machine
    assert any(each in result["message"] for each in fired)
    assert field.on() == frozenset()
    assert (
        cli(field, "monitor", "--once", "--auto-abort", code=2)["message"]
        == "--auto-abort requires monitoring over time."
    )
