"""`smoke`, `health` and `monitor` as CI uses them: on a real sandbox, by output and exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml
from typer.testing import CliRunner

from cartctl.cli import app
from tests.sandbox_fixture import Sandbox, wait_for

MIGRATIONS = Path(__file__).parents[2] / "cartctl" / "migrations" / "sql"


def run(*args: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line."""
    result = CliRunner().invoke(app, ["--env", "sandbox", *args])
    return result.exit_code, result.stdout, result.stderr


def ticks(text: str) -> list[dict[str, Any]]:
    """The ticks of an NDJSON stream."""
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"kind": "tick"')]


def figure(tick: dict[str, Any], name: str) -> dict[str, Any]:
    """One metric of a tick."""
    return next(metric for metric in tick["metrics"] if metric["name"] == name)


def release(sandbox: Sandbox, version: str) -> None:
    """The API in a version, the dashboard in 2.0.0, on migrated tables."""
    with sandbox.database.session("test", autocommit=False) as connection:
        connection.execute("SET ROLE payment_owner")
        if connection.execute("SELECT to_regclass('public.carts') IS NULL").fetchone() == (True,):
            for path in sorted(MIGRATIONS.glob("*/migration.sql")):
                connection.execute(path.read_bytes())
            connection.execute(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO payment_api"
            )
    sandbox.cluster.set_images("payment-api", {"api": version}, cause="test")
    sandbox.cluster.set_images("admin-dashboard", {"web": "2.0.0"}, cause="test")
    wait_for(sandbox.settled)


def test_before_the_deployment_smoke_fails_and_critical_paths_pass(sandbox: Sandbox) -> None:
    """Version 1.0.0 has no cart: exit 7, but what a shopper needs is there: exit 0."""
    code, out, _ = run("smoke")
    assert code == 7
    assert "pages: /carts" in out
    assert run("smoke", "--critical-only")[0] == 0
    assert run("health")[0] == 7


def test_the_released_cart_passes_smoke_health_and_monitor(sandbox: Sandbox, tmp_path: Path) -> None:
    """Everything green, as JSON, as JUnit, and over a time of watching by Prometheus or by scraping."""
    release(sandbox, "2.0.0")
    code, out, _ = run("smoke", "-o", "json", "--junit", str(tmp_path / "smoke.xml"))
    document = json.loads(out)
    assert (code, document["kind"], document["verdict"]) == (0, "checks", "pass")
    assert JUnitXml.fromfile(str(tmp_path / "smoke.xml")).tests == len(document["checks"]) == 15
    assert run("health")[0] == 0
    url = sandbox.status.api_url
    assert url
    code, out, _ = run("smoke", "--url", url, "-o", "json")
    assert code == 0
    assert not [check for check in json.loads(out)["checks"] if check["name"].startswith("pages")]
    code, out, err = run("monitor", "--once", "-o", "json")
    assert code == 0, (out, err)
    [tick] = ticks(out)
    assert tick["kind"] == "tick"
    assert {metric["name"] for metric in tick["metrics"]} == {
        "db_connections",
        "db_latency_p95",
        "error_rate",
        "api_latency_p95",
    }
    assert {metric["verdict"] for metric in tick["metrics"]} <= {"ok", "warning"}  # a busy machine is slow
    assert {trigger["state"] for trigger in tick["triggers"]} == {"clear"}
    assert run("monitor", "--check-queries")[0] == 0


def test_monitor_ends_with_7_when_payments_are_down(sandbox: Sandbox) -> None:
    """Three failures in a row and the trigger fires; every tick is a line."""
    release(sandbox, "2.0.0-payments-down")
    code, out, _ = run("monitor", "--for", "30s", "-o", "json")
    assert code == 7
    assert ticks(out)[-1]["triggers"][1] == {
        "name": "critical_paths",
        "state": "fired",
        "for_seconds": 0.0,
        "detail": "payments failed 3 times in a row",
    }
    assert "critical_paths fired" in out
    assert run("smoke", "--critical-only")[0] == 7


def test_monitor_ends_with_7_when_errors_last(sandbox: Sandbox) -> None:
    """A tenth of errors for longer than the sandbox's five seconds; it fires on a breach read in the same tick alone."""
    release(sandbox, "2.0.0-errors")
    code, out, _ = run("monitor", "--for", "200s", "-o", "json")
    assert code == 7
    assert "error_rate fired" in out
    fired = [tick for tick in ticks(out) if tick["triggers"][0]["state"] == "fired"]
    assert [figure(tick, "error_rate")["verdict"] for tick in fired] == ["critical"]


def test_errors_in_the_logs_are_a_warning_of_the_monitor(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More about carts in a minute than `logs.errors_per_minute`: exit code 0, and the last line is shown."""
    release(sandbox, "2.0.0")
    forever = ["sh", "-c", "while :; do echo ERROR cart 7 is lost; sleep 0.02; done"]
    for name, value in {
        "LOGS__COMMAND": json.dumps(forever),
        "METRICS__KIND": "scrape",
        "MONITOR__MINIMUM_REQUESTS": "1",
    }.items():
        monkeypatch.setenv(f"CARTCTL_{name}", value)
    code, _, err = run("monitor", "--for", "2s")
    assert code == 0, err
    assert "warning: logs: " in err
    assert "errors about carts in the worst minute" in err
    assert "sh ERROR cart 7 is lost" in err


def test_without_a_database_the_api_is_still_judged(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database that cannot be reached is unknown; what fails fails all the same."""
    release(sandbox, "2.0.0")
    monkeypatch.setenv("CARTCTL_DATABASE__DSN", "host=127.0.0.1 port=9 dbname=x user=y password=s3cret")
    code, out, err = run("smoke", "-o", "json")
    document = json.loads(out)
    assert (code, document["verdict"]) == (6, "unknown")
    assert "s3cret" not in out + err


@pytest.mark.parametrize(
    "args",
    (
        ("monitor", "--for", "soon"),
        ("monitor", "--once", "--for", "1s"),
        ("smoke", "--url", "api.avnz.io"),
        ("smoke", "--suite", "other"),
        ("smoke", "--critical-only", "--junit", "/dev/null/j.xml"),
    ),
)
def test_bad_input_is_one_sentence(sandbox: Sandbox, args: tuple[str, ...]) -> None:
    """Exit 2 with a hint, no traceback."""
    code, _, err = run(*args)
    assert code == 2
    assert "hint:" in err
    assert "Traceback" not in err
