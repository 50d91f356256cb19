"""Interruptible waits, deadlines and alarms; everything that takes time receives a Pulse.

Another thread raises an alarm (a trigger that fired, Ctrl-C, a stop request); it surfaces in the main thread at the
next `check` or inside `wait`, and cancels the call that `cancelling` guards.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

from cartctl.errors import CartctlError, Interrupted, StepFailed

T = TypeVar("T")

Progress = Callable[[float, float, str], None]  # done, total, unit


class ChildProcess(Protocol):
    """A child process whose end can be waited for."""

    name: str

    def finished(self) -> bool:
        """Whether it has ended. Raises what its end means, such as ProgramFailed."""


def no_progress(_done: float, _total: float, _unit: str) -> None:
    """A progress callback that does nothing."""


def _without_errors(progress: Progress) -> Progress:
    def report(done: float, total: float, unit: str) -> None:
        with suppress(Exception):
            progress(done, total, unit)

    return report


class TimedOut(StepFailed):
    """A wait reached its deadline."""

    code = "timed_out"


class Pulse:
    """Waits, deadlines and alarms of one run.

    `clock` and `sleep` are seconds, monotonic; tests give their own.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        progress: Progress = no_progress,
    ) -> None:
        self._clock = clock
        self._woken = threading.Event()
        self._sleep = sleep or self._sleep_until_woken
        self._alarm: CartctlError | None = None
        self._cancels: list[Callable[[], object]] = []
        self._guard = threading.Lock()
        self.progress = progress
        self.doing = ""  # the current step, shown when a stop is requested
        self.remaining: Callable[[], Interrupted] | None = (
            None  # describes what an immediate stop would leave in place
        )

    def without_alarms(self) -> "Pulse":
        """A pulse without this one's alarms, for undoing: deadlines apply, alarms do not, progress errors are ignored."""
        return Pulse(clock=self._clock, sleep=self._given_sleep(), progress=_without_errors(self.progress))

    def alarm(self, cause: CartctlError) -> None:
        """Raise `cause` in the thread that waits on this pulse. Only the first alarm counts. Thread-safe."""
        with self._guard:
            if self._alarm is not None:
                return
            self._alarm = cause
            cancels = list(self._cancels)
        self._woken.set()
        for cancel in cancels:
            with suppress(Exception):  # a call that cannot be cancelled ends at its own limit
                cancel()

    @property
    def cause(self) -> CartctlError | None:
        """The alarm, once it is raised."""
        return self._alarm

    def check(self) -> None:
        """Raise the alarm if there is one."""
        if self._alarm is not None:
            raise self._alarm

    def now(self) -> float:
        """Seconds on this pulse's clock."""
        return self._clock()

    def pause(self, seconds: float) -> None:
        """Wait for a time in seconds; an alarm ends the wait."""
        end = self._clock() + seconds
        self.check()
        while (left := end - self._clock()) > 0:
            self._sleep(min(left, 1.0))
            self.check()

    def wait(self, until: Callable[[], T | None], timeout: float, *, what: str, every: float = 0.1) -> T:
        """Call `until` about every `every` seconds until its result is true, and return that; `timeout` is in seconds.

        Raises TimedOut naming `what`, or the alarm.
        """
        end = self._clock() + timeout
        while True:
            self.check()
            if result := until():
                return result
            if self._clock() >= end:
                raise TimedOut(f"{what} took longer than {timeout:g} s")
            self._sleep(every)

    def attending(
        self, limit: float, what: str = "", *, every: float = 0.02
    ) -> Callable[[ChildProcess], None]:
        """A function that waits for a child process to end, for at most `limit` seconds.

        It raises TimedOut naming `what`, by default the program, or the alarm.
        """

        def attend(process: ChildProcess) -> None:
            self.wait(process.finished, limit, what=what or process.name, every=every)

        return attend

    @contextmanager
    def cancelling(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Guard a call that blocks (SQL, a subprocess, a stream): an alarm calls `cancel` from its own thread.

        The alarm replaces the exception of the cancelled call.
        """
        with self._guard:
            self._cancels.append(cancel)
        try:
            self.check()
            yield
        except Exception:
            self.check()  # the exception of a cancelled call is a consequence of the alarm
            raise
        finally:
            with self._guard:
                self._cancels.remove(cancel)
        self.check()

    def _sleep_until_woken(self, seconds: float) -> None:
        self._woken.wait(seconds)

    def _given_sleep(self) -> Callable[[float], None] | None:
        return None if self._sleep == self._sleep_until_woken else self._sleep
