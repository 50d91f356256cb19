"""External programs: run from an argument list, never a shell, with a time limit, and ended with all their children.

The caller decides how to wait, so that a run's pulse can stop a program at once.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import IO
from weakref import WeakSet

from cartctl.errors import StepFailed
from cartctl.redaction import cut_beginning

GRACE = 2.0  # seconds between asking a program to end and ending it
LARGEST = 64 * 1024 * 1024  # bytes of a program's output that are read
TAIL = 2000  # characters of stderr kept for the error
_PLAIN = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM")


_started: WeakSet["subprocess.Popen[bytes]"] = WeakSet()


class ProgramFailed(StepFailed):
    """A program ended with an error, or did not end in time."""

    code = "program_failed"


class Program:
    """A running program, in its own process group so that its parallel workers end with it."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        umask: int = -1,
        stdin: Path = Path(os.devnull),
    ) -> None:
        self.name = Path(argv[0]).name
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            with stdin.open("rb") as source:
                self._process = subprocess.Popen(
                    list(argv),
                    stdin=source,
                    stdout=self._out,
                    stderr=self._err,
                    env=dict(environment),
                    umask=umask,
                    start_new_session=True,
                )
        except OSError:
            self.close()
            raise
        _started.add(self._process)

    @property
    def pid(self) -> int:
        """The program's process id, also its group's."""
        return self._process.pid

    def finished(self) -> bool:
        """Whether it has ended. Does not wait."""
        return self._process.poll() is not None

    def wait(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for its end. Raises ProgramFailed."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise ProgramFailed(f"{self.name} took longer than {timeout:g} s") from late

    def stop(self) -> None:
        """Stop it and its workers: SIGTERM first, SIGKILL after GRACE seconds. Thread-safe."""
        if self.finished():
            return
        signal_group(self.pid, signal.SIGTERM)
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            signal_group(self.pid, signal.SIGKILL)
            self._process.wait()

    def output(self, accepted: Sequence[int] = (0,)) -> str:
        """What it wrote, once it has ended with an `accepted` exit code. Raises ProgramFailed with the end of its stderr."""
        if self._process.returncode not in accepted:
            message = cut_beginning(_read(self._err).strip(), TAIL)
            raise ProgramFailed(
                f"{self.name} failed ({_ending(self._process.returncode)}): {message or 'no message'}"
            )
        return _read(self._out)

    def close(self) -> None:
        """Give back the files its output went to."""
        self._out.close()
        self._err.close()


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a program and its workers, as long as there are any."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def track(process: "subprocess.Popen[bytes]") -> None:
    """Let `end_all` end a program that was started elsewhere."""
    _started.add(process)


def end_all() -> None:
    """End every program that this process has started and not waited for, at once: for a process that is about to end."""
    for process in list(_started):
        if process.poll() is None:
            signal_group(process.pid, signal.SIGKILL)


Attend = Callable[[Program], None]
"""Waits for a program in its own way (a run's pulse); whatever it raises stops the program."""


def for_at_most(timeout: timedelta) -> Attend:
    """Wait for a program without watching anything else."""
    return lambda program: program.wait(timeout.total_seconds())


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    attend: Attend,
    *,
    umask: int = -1,
    stdin: Path = Path(os.devnull),
) -> str:
    """What a program wrote to stdout. Raises ProgramFailed, OSError when it cannot start, and what `attend` raises.

    `umask` is for what it writes; -1 is this process's own. It reads the file `stdin`.
    """
    with running(argv, environment, umask=umask, stdin=stdin) as program:
        attend(program)
        return program.output()


@contextmanager
def running(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    umask: int = -1,
    stdin: Path = Path(os.devnull),
) -> Iterator[Program]:
    """A started program, stopped at the block's end whatever happens. Raises OSError when it cannot start."""
    program = Program(argv, environment, umask=umask, stdin=stdin)
    try:
        yield program
    finally:
        program.stop()
        program.close()


@contextmanager
def streaming(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[Iterator[bytes]]:
    """The lines a program writes, as it writes them. Raises ProgramFailed at the block's end when it ended badly."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
            start_new_session=True,
        )
        _started.add(process)
        with process:
            try:
                yield iter(process.stdout or ())
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            reason = cut_beginning(_read(errors).strip(), TAIL) or "no message"
            raise ProgramFailed(f"{Path(argv[0]).name} failed ({_ending(process.returncode)}): {reason}")


def inherited() -> dict[str, str]:
    """The environment without its secrets: what a program needs to find its files and its language."""
    return {name: os.environ[name] for name in _PLAIN if name in os.environ}


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read(LARGEST).decode(errors="replace")
