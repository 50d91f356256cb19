"""Real signals to real processes: acknowledged within a second, the same exit codes everywhere, nothing left behind."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.state import fold
from tests.engine.toy import BEGINNING

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SOON = 20.0  # seconds that a busy machine may take for what has no limit of its own


def hear_signals() -> None:
    """In the child: a shell that runs the tests in the background has them ignore Ctrl-C."""
    for number in CODES:
        signal.signal(number, signal.SIG_DFL)


class Acting:
    """A command at work; what it writes to stderr goes to a file."""

    def __init__(self, errors: Path, *argv: str, stdin: int | None = None, **more: Any) -> None:
        self._errors = errors
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "tests.engine.stoppable", *argv],
                stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                **{"preexec_fn": hear_signals, **more},
            )

    def lines(self) -> list[str]:
        """What it writes to stdout until it is ready."""
        assert self.process.stdout is not None
        results = []
        while (line := self.process.stdout.readline()) != "ready\n":
            assert line, self.errors()
            results.append(line.strip())
        return results

    def errors(self) -> str:
        """What it has written to stderr."""
        return self._errors.read_text(encoding="utf-8")

    def until(self, text: str) -> float:
        """Wait until stderr has a text; the seconds that took."""
        under_way = time.monotonic()
        while text not in self.errors():
            assert time.monotonic() - under_way < SOON, self.errors()
            time.sleep(0.01)
        return time.monotonic() - under_way

    def send(self, number: int) -> None:
        """A signal."""
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Exit code and stderr."""
        return self.process.wait(SOON), self.errors()


Start = Callable[..., Acting]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Begins a command that is ready for a signal; what is left at the end is killed."""
    under_way: list[Acting] = []

    def begin(*argv: str, **more: Any) -> Acting:
        under_way.append(Acting(tmp_path / f"{len(under_way)}.err", *argv, **more))
        return under_way[-1]

    yield begin
    for acting in under_way:
        acting.process.kill()
        acting.process.wait()
        if acting.process.stdout:
            acting.process.stdout.close()


@pytest.mark.parametrize("number", CODES)
def test_the_first_signal_is_acknowledged_and_stops_at_a_safe_point(start: Start, number: int) -> None:
    """Naming the step it stops after; the exit code is 128 + the signal."""
    acting = start("wait")
    acting.lines()
    acting.send(number)
    code, result = acting.ended()
    again = "press Ctrl-C again" if number == signal.SIGINT else f"send {signal.Signals(number).name} again"
    assert code == CODES[signal.Signals(number)]
    assert result.splitlines()[0] == f"stopping after release.api; {again} to stop now"
    assert f"Stopped by {signal.Signals(number).name}." in result


@pytest.mark.parametrize("number", CODES)
def test_a_command_without_safe_points_ends_at_once(start: Start, number: int) -> None:
    """Neither a traceback nor a wait."""
    acting = start("sleep")
    acting.lines()
    acting.send(number)
    code, result = acting.ended()
    assert (code, "Traceback" in result) == (CODES[signal.Signals(number)], False)
    assert f"Stopped by {signal.Signals(number).name}." in result


def test_a_command_that_is_busy_in_a_library_is_acknowledged_and_ended_by_the_second(start: Start) -> None:
    """The main thread runs no Python at all; SIGTERM after Ctrl-C counts as the second."""
    acting = start("busy")
    acting.lines()
    acting.send(signal.SIGINT)
    acting.until("stopping after snapshot; press Ctrl-C again to stop now")
    assert acting.process.poll() is None
    acting.send(signal.SIGTERM)
    assert acting.ended()[0] == 130


def test_a_signal_that_was_ignored_at_start_stays_ignored() -> None:
    """As nohup leaves SIGHUP, and a shell's background job SIGINT."""
    line = [
        "bash",
        "-c",
        'trap "" HUP INT; exec "$@"',
        "-",
        sys.executable,
        "-u",
        "-m",
        "tests.engine.stoppable",
    ]
    with subprocess.Popen(
        [*line, "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON) == 143
        assert process.stderr.read().count("stopping") == 1


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo terminal: the tester's end and the command's."""
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        for end in (ours, theirs):
            os.close(end)


def test_ctrl_c_at_a_prompt_changes_nothing_and_ends_with_130(start: Start) -> None:
    """Typed on a terminal, as an operator does."""
    with terminal() as (ours, theirs):
        acting = start("prompt", stdin=theirs, preexec_fn=lambda: take(theirs))
        acting.lines()
        acting.until("Go on?")
        os.write(ours, b"\x03")
        code, result = acting.ended()
    assert (code, "Traceback" in result) == (130, False)


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGHUP))
def test_another_signal_at_a_prompt_has_its_own_exit_code(start: Start, number: int) -> None:
    """143 and 129."""
    with terminal() as (_, theirs):
        acting = start("prompt", stdin=theirs, preexec_fn=lambda: take(theirs))
        acting.lines()
        acting.until("Go on?")
        acting.send(number)
        assert acting.ended()[0] == CODES[signal.Signals(number)]


def take(end: int) -> None:
    """In the child: a session of its own, on this terminal."""
    hear_signals()
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(end, termios.TIOCSCTTY, 0)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("what", ("child", "stubborn"))
def test_a_program_that_was_started_neither_hears_ctrl_c_nor_outlives_it(start: Start, what: str) -> None:
    """It runs in a session of its own, and ends with the command, also with one that had to be ended."""
    acting = start(what)
    (pid,) = acting.lines()
    assert os.getsid(int(pid)) != os.getsid(acting.process.pid)
    acting.send(signal.SIGINT)
    acting.until("stopping")
    if what == "stubborn":
        acting.send(signal.SIGINT)
    assert acting.ended()[0] == 130
    deadline = time.monotonic() + SOON
    while alive(int(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The toy world at its beginning, with a release that lasts."""
    made = tmp_path / "home"
    made.mkdir()
    (made / "world.json").write_text(json.dumps(BEGINNING))
    return made


def world(home: Path) -> dict[str, int]:
    """Its numbers."""
    document: dict[str, int] = json.loads((home / "world.json").read_text())
    return document


def test_ctrl_c_in_a_step_shows_the_revert_that_follows(start: Start, home: Path) -> None:
    """Acknowledged, then `reverting`, then reverted; the run stays open for --resume or a rollback."""
    acting = start("run", str(home))
    acting.lines()
    acting.send(signal.SIGINT)
    acting.until("stopping after release; press Ctrl-C again to stop now")
    acting.until("release reverting")
    acting.lines()
    (home / "go1").touch()
    code, result = acting.ended()
    assert (code, world(home)["image"]) == (130, 1)
    assert (
        result.index("stopping after") < result.index("release reverting") < result.index("release restored")
    )
    state = fold("r1", FileJournal(home / "runs").events("r1"))
    assert (state.finished, set(state.evidence)) == (False, {"workers.stop", "prewarm"})


def test_a_second_ctrl_c_names_what_remains_and_the_next_command(start: Start, home: Path) -> None:
    """During the revert: values as they are, the run open, exit code 130."""
    acting = start("run", str(home))
    acting.lines()
    acting.send(signal.SIGINT)
    acting.until("release reverting")
    acting.lines()
    acting.send(signal.SIGINT)
    code, result = acting.ended()
    assert code == 130
    assert "Stopped at once during release. Still in place: " in result
    assert "workers stopped (workers 1 → 0)" in result
    assert "prewarm (replicas 2 → 3)" in result
    assert "hint: Next: cartctl deploy --resume" in result
    state = fold("r1", FileJournal(home / "runs").events("r1"))
    assert (state.finished, set(state.evidence)) == (False, {"release", "workers.stop", "prewarm"})
    assert world(home)["workers"] == 0
