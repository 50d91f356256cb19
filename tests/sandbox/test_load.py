"""`cartctl sandbox load`: a steady rate, honest latencies, and every answer that is none counted."""

import json
import threading
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from cartctl.cli import app
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Interrupted
from cartctl.sandbox.load import VISITS, Loaded, latencies, load
from tests.sandbox.test_service import migrate, release
from tests.sandbox_fixture import Sandbox, wait_for


def driven(*args: str) -> dict[str, Any]:
    """What the command tells."""
    done = CliRunner().invoke(app, ["sandbox", "load", *args, "-o", "json"])
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_percentiles_are_measured_values() -> None:
    """A percentile is the smallest measured value that so many do not exceed; of nothing there is none."""
    result = latencies([number / 100 for number in range(1, 101)])
    assert (result.p50, result.p95, result.p99, result.max) == (0.5, 0.95, 0.99, 1.0)
    assert latencies([]).p95 is None


def test_every_route_of_a_healthy_version_is_answered(sandbox: Sandbox) -> None:
    """On 2.0.0 shoppers and admins are answered at the rate asked for, without an error, also over the carts' routes."""
    migrate(sandbox)
    release(sandbox, "2.0.0")
    assert sum(visit.share for visit in VISITS) == 100
    result = driven("--rps", "50", "--for", "4s")
    assert (result["kind"], result["requests"], result["errors"]) == ("load", 200, 0)
    assert 40 <= result["rps"] <= 51
    assert result["statuses"] == {"200": 200}
    assert result["by_visitor"].keys() == {"admin", "shopper"}
    assert 0 < result["latency"]["p50"] <= result["latency"]["p95"] <= result["latency"]["max"] < 10


def test_before_the_carts_only_the_platform_is_visited(sandbox: Sandbox) -> None:
    """1.0.0 has no carts: a load on it has no 404s."""
    assert driven("--rps", "40", "--for", "2s")["statuses"] == {"200": 80}


def test_failing_answers_are_counted(sandbox: Sandbox) -> None:
    """A version that fails every tenth request shows in the error rate and by status."""
    migrate(sandbox)
    release(sandbox, "2.0.0-errors")
    result = driven("--rps", "60", "--for", "3s")
    assert 0.04 < result["error_rate"] < 0.16
    assert result["errors"] == result["requests"] - result["statuses"]["200"] == result["statuses"]["500"]


def test_an_absent_service_shows_in_the_errors(sandbox: Sandbox) -> None:
    """Requests that were due while the service was away are made and counted; nothing is left out."""
    messages: list[Loaded] = []
    thread = threading.Thread(
        target=lambda: messages.append(load("default", rps=30, seconds=3, pulse=Pulse()))
    )
    thread.start()
    time.sleep(1)
    sandbox.cluster.set_capacity("deployment/payment-api", 0)
    wait_for(lambda: sandbox.cluster.running("deployment/payment-api") == 0)
    thread.join()
    [done] = messages
    assert done.requests == 90
    assert done.errors > 0
    assert set(done.statuses) - {"200"}


def test_interrupted_it_reports_what_it_has_seen(sandbox: Sandbox) -> None:
    """An alarm ends it early with the figures up to then."""
    pulse = Pulse()
    threading.Timer(1.0, lambda: pulse.alarm(Interrupted("stop"))).start()
    result = load("default", rps=20, seconds=60, pulse=pulse)
    assert 5 < result.requests < 600
    assert result.seconds < 30


def test_without_a_sandbox_it_says_what_to_do(sandbox: Sandbox) -> None:
    """A sandbox that does not run is named, with the command that starts it; a wrong duration is refused."""
    with pytest.raises(ConfigError, match="is not running"):
        load("nobody", rps=1, seconds=1, pulse=Pulse())
    assert CliRunner().invoke(app, ["sandbox", "load", "--for", "long"]).exit_code == 2
