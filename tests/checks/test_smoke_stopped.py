"""A stop during the last request of `smoke`: the command ends as stopped, and no report claims a verdict."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox_fixture import wait_for
from tests.web import Reply, WebRequest, serve

SUITE = 'name = "api"\n[[request]]\nname = "home"\npath = "/"\n'


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
def test_a_stop_during_the_last_request(number: signal.Signals, tmp_path: Path) -> None:
    """Although that request is answered with 200."""
    (tmp_path / "suite.toml").write_text(SUITE)
    processes: list[subprocess.Popen[bytes]] = []

    errors = tmp_path / "stderr"

    def answer(_: WebRequest) -> Reply:
        processes[0].send_signal(number)
        wait_for(lambda: "stopping" in errors.read_text())
        return Reply("fine")

    argv = ["smoke", "--suite", "suite.toml", "--junit", "report.xml"]
    with serve(answer) as web, errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "cartctl", *argv, "--url", web.url],
            cwd=tmp_path,
            env={**os.environ, "CARTCTL_STATE_DIR": str(tmp_path)},
            stdout=subprocess.DEVNULL,
            stderr=stream,
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - an ignored one stays ignored
        )
        processes.append(process)
        process.wait(timeout=120)
    ended = process.returncode, (tmp_path / "report.xml").exists()
    assert ended == (128 + number, False), errors.read_text()
