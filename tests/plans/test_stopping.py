"""Stopping real commands on a real sandbox: Ctrl-C typed on a terminal, a closed terminal, and SIGTERM, as an operator or a CI does it."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.sandbox_fixture import Sandbox, wait_for
from tests.services import LONG, long

QUICK = {
    "CARTCTL_METRICS__KIND": "scrape",
    "CARTCTL_MONITOR__FOR": "60s",
    "CARTCTL_MONITOR__MINIMUM_REQUESTS": "1",
    "TERM": "xterm",
    "COLUMNS": "110",
    "LINES": "60",
}
SOON = 180.0  # seconds that a busy machine may take


def hear_signals() -> None:
    """In the child: a shell that runs the tests in the background has them ignore Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Terminal:
    """A command on a terminal of its own, with the live view."""

    argv: tuple[str, ...]
    shown: str = ""
    _ours: int = field(init=False)
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self._ours, theirs = pty.openpty()

        def take() -> None:
            hear_signals()
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        command = [sys.executable, "-m", "cartctl", *self.argv]
        env = {**os.environ, **QUICK}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            preexec_fn=take,  # noqa: PLW1509 - no other thread runs yet
        )
        os.close(theirs)

    def read(self, seconds: float = 0.05) -> None:
        """Take what is shown."""
        with suppress(OSError):  # its end is gone
            if select.select([self._ours], [], [], seconds)[0]:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")

    def until(self, what: Callable[[], object], seconds: float = SOON) -> float:
        """Read along until something is so; the seconds it took."""
        under_way = time.monotonic()
        while not what():
            self.read()
            assert time.monotonic() - under_way < seconds, self.shown[-3000:]
        return time.monotonic() - under_way

    def ctrl_c(self) -> None:
        """Typed."""
        os.write(self._ours, b"\x03")

    def close(self) -> None:
        """The window is closed."""
        with suppress(OSError):
            os.close(self._ours)

    def end(self) -> int:
        """Its exit code."""
        self.until(lambda: self.process.poll() is not None)
        seen = -1
        while seen != len(self.shown):
            seen = len(self.shown)
            self.read()
        return self.process.returncode


Open = Callable[..., Terminal]


@pytest.fixture
def terminal(sandbox: Sandbox) -> Iterator[Open]:
    """Opens terminals, closed at the end."""
    assert sandbox
    opened: list[Terminal] = []

    def start(*argv: str) -> Terminal:
        opened.append(Terminal(argv))
        return opened[-1]

    yield start
    for one in opened:
        one.process.kill()
        one.process.wait()
        one.close()


def image(sandbox: Sandbox) -> str:
    """The API's image that is asked for."""
    return next(iter(sandbox.cluster.deployments()["payment-api"].images.values())).ref


def cartctl(*argv: str) -> int:
    """A command to its end; its exit code."""
    env = {**os.environ, **QUICK}
    return subprocess.run(
        [sys.executable, "-m", "cartctl", *argv], check=False, capture_output=True, env=env
    ).returncode


@long
def test_ctrl_c_is_acknowledged_within_a_second_and_the_revert_is_shown(
    sandbox: Sandbox, terminal: Open
) -> None:
    """While the API's rollout is waited for; afterwards the run can be rolled back."""
    deploying = terminal("deploy", "--env", "sandbox", "--yes")
    deploying.until(lambda: image(sandbox) == "2.0.0")
    deploying.ctrl_c()
    took = deploying.until(lambda: "press Ctrl-C again to stop now" in deploying.shown)
    assert took < 1.5
    assert deploying.end() == 130
    assert "stopping after release.api; press Ctrl-C again to stop now" in deploying.shown
    assert "reverting" in deploying.shown
    assert image(sandbox) == "1.0.0"
    assert cartctl("rollback", "--env", "sandbox", "--yes") == 0
    assert sandbox.cluster.capacity(["deployment/job-worker"]) == {"deployment/job-worker": 1}


@long
def test_a_second_ctrl_c_names_what_remains_and_resume_ends_the_run(sandbox: Sandbox, terminal: Open) -> None:
    """Workers are stopped and replicas raised then, and said to be."""
    deploying = terminal("deploy", "--env", "sandbox", "--yes")
    deploying.until(lambda: image(sandbox) == "2.0.0")
    deploying.ctrl_c()
    deploying.until(lambda: "press Ctrl-C again" in deploying.shown)
    deploying.ctrl_c()
    assert deploying.end() == 130
    shown = " ".join(deploying.shown.split())
    assert "Stopped at once during release.api. Still in place: replicas raised" in shown
    assert "workers stopped (deployment/job-worker 1 → 0)" in shown
    assert "cartctl deploy --resume --env sandbox" in shown
    assert cartctl("rollback", "--env", "sandbox", "--yes") == 0
    assert (image(sandbox), sandbox.cluster.capacity(["deployment/job-worker"])) == (
        "1.0.0",
        {"deployment/job-worker": 1},
    )


@long
def test_a_closed_terminal_stops_a_run_at_a_safe_point(sandbox: Sandbox, terminal: Open) -> None:
    """SIGHUP with nobody to write to: exit 129, and the run can be rolled back."""
    deploying = terminal("deploy", "--env", "sandbox", "--yes")
    deploying.until(lambda: image(sandbox) == "2.0.0")
    deploying.close()
    assert deploying.process.wait(SOON) == 129
    wait_for(lambda: image(sandbox) == "1.0.0")
    assert cartctl("rollback", "--env", "sandbox", "--yes") == 0


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
COMMANDS = (
    "snapshot create",
    "sandbox seed --carts 2000000",
    "sandbox load --for 600s",
    "monitor --for 600s",
    "logs --follow",
    "rehearse",
)


def connected(pid: int) -> bool:
    """Whether a process is at work on something outside: it has a socket."""
    with suppress(OSError):
        return any(str(fd.readlink()).startswith("socket:") for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.faults
@LONG
@pytest.mark.parametrize("line", COMMANDS)
@pytest.mark.parametrize("number", CODES)
def test_every_long_command_ends_with_the_signals_code_and_leaves_no_child(
    sandbox: Sandbox, line: str, number: signal.Signals
) -> None:
    """Once it is at work; neither with a traceback nor with a program that goes on."""
    argv = [sys.executable, "-m", "cartctl", *line.split()]
    if not line.startswith("sandbox"):
        argv += ["--env", "sandbox"]
    with subprocess.Popen(
        argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **QUICK},
        text=True,
        preexec_fn=hear_signals,  # noqa: PLW1509 - no other thread runs yet
    ) as process:
        assert process.stderr
        wait_for(lambda: connected(process.pid) or process.poll() is not None)
        started = children(process.pid)
        process.send_signal(number)
        output = process.stderr.read()
        code = process.wait(SOON)
    assert (code, "Traceback" in output) == (CODES[number], False), output
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert sandbox.settled()
