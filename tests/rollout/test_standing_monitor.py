"""`monitor --auto-abort --lease` as a Deployment runs it: a process of its own, on a real sandbox."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cartctl.plans.rollout.standing_monitor import LEASE, rollout_start
from tests.rollout.test_breach import cli
from tests.sandbox_fixture import wait_for


@contextmanager
def monitor(field: Any, errors: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a pod, killed at the end if it still runs."""
    config = str(field.sandbox.layout.config)
    command = (sys.executable, "-m", "cartctl", "--config", config, "monitor", "--auto-abort", "--lease")
    with errors.open("w") as stream, (errors.with_suffix(".out")).open("w") as out:
        process = subprocess.Popen(
            [*command, "--for", "5m", "-o", "json"], stdout=out, stderr=stream, env=dict(os.environ)
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def test_one_process_monitors_and_aborts_and_the_next_waits_for_a_rollout(field: Any, tmp_path: Path) -> None:
    """It waits for the lease, then for a rollout, aborts when a trigger fires; another process finds nothing to watch."""
    errors = tmp_path / "first.err"
    with field.ports() as ports:
        with ports.cluster.lease("another monitor", name=LEASE), monitor(field, errors) as first:
            wait_for(lambda: "Waiting: another monitor holds" in errors.read_text())
            first.kill()
        assert rollout_start(ports) is None
    with monitor(field, errors) as first:
        wait_for(lambda: "Waiting for a rollout to start." in errors.read_text())
        with field.sandbox.superuser.session("test") as connection:
            row = connection.execute("SELECT current_date").fetchone()
        cli(field, "rollout", "start", "--date", str(row[0]), "--yes")
        cli(field, "rollout", "set", "--percent", "25", "--force", "--yes", "--why", "a demo")
        with field.ports() as ports:
            assert rollout_start(ports) is not None
        wait_for(lambda: '"tick"' in errors.with_suffix(".out").read_text())
        field.sandbox.cluster.set_images("payment-api", {"api": "2.0.0-payments-down"}, cause="test")
        assert first.wait(120) == 7, errors.read_text()
    assert field.on() == frozenset()
    with monitor(field, errors) as second:
        wait_for(lambda: "Waiting for a rollout to start." in errors.read_text())
        assert second.poll() is None


def test_without_the_database_there_may_be_a_rollout(field: Any, monkeypatch: Any) -> None:
    """What cannot be read does not disarm the monitor."""
    monkeypatch.setenv("CARTCTL_DATABASE__DSN", "host=127.0.0.1 port=9 dbname=x user=y")
    from cartctl.config.load import load_environment
    from cartctl.ports import Ports

    env = load_environment(str(field.sandbox.layout.config), "sandbox")
    with Ports(env) as ports:
        start = rollout_start(ports)
    assert start is not None
    assert start.year == 1970


def test_a_lease_without_an_abort_is_refused(field: Any) -> None:
    """It has no other use."""
    assert cli(field, "monitor", "--lease", code=2)["message"] == "--lease requires --auto-abort."
