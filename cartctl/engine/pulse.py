"""The only wait there is: short, interruptible, armed.

Everything that takes time takes a Pulse. An alarm (a trigger that fired, Ctrl-C, a stop request) is raised by another
thread; it surfaces in the main thread at the next `check` or inside `wait`, and ends what `cancelling` guards.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from cartctl.errors import CartctlError, Interrupted, StepFailed

T = TypeVar("T")

Progress = Callable[[float, float, str], None]  # done, total, unit


def unseen(_done: float, _total: float, _unit: str) -> None:
    """Progress that nobody watches."""


def _harmless(progress: Progress) -> Progress:
    def tell(done: float, total: float, unit: str) -> None:
        with suppress(Exception):
            progress(done, total, unit)

    return tell


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
        progress: Progress = unseen,
    ) -> None:
        self._clock = clock
        self._woken = threading.Event()
        self._sleep = sleep or self._sleep_until_woken
        self._alarm: CartctlError | None = None
        self._cancels: list[Callable[[], object]] = []
        self._guard = threading.Lock()
        self.progress = progress
        self.doing = ""  # the step that a stop would come after, for people
        self.remaining: Callable[[], Interrupted] | None = None  # what a stop at once would leave in place

    def calm(self) -> "Pulse":
        """A pulse without this one's alarms, for undoing: deadlines hold, triggers do not, and a broken display stops nothing."""
        return Pulse(clock=self._clock, sleep=self._given_sleep(), progress=_harmless(self.progress))

    def alarm(self, cause: CartctlError) -> None:
        """Raise `cause` in whoever waits on this pulse. The first one counts. Thread-safe."""
        with self._guard:
            if self._alarm is not None:
                return
            self._alarm = cause
            cancels = list(self._cancels)
        self._woken.set()
        for cancel in cancels:
            with suppress(
                Exception
            ):  # a call that cannot be cancelled ends by its own limits; the others are
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
        """Wait, armed, without a condition."""
        end = self._clock() + seconds
        self.check()
        while (left := end - self._clock()) > 0:
            self._sleep(min(left, 1.0))
            self.check()

    def wait(self, until: Callable[[], T | None], timeout: float, *, what: str, every: float = 0.1) -> T:
        """Ask `until` about every `every` seconds until it gives something true; `timeout` is in seconds.

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

    @contextmanager
    def cancelling(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Around a call that blocks (SQL, a subprocess, a stream): an alarm calls `cancel` from its own thread.

        What the cancelled call raises gives way to the alarm.
        """
        with self._guard:
            self._cancels.append(cancel)
        try:
            self.check()
            yield
        except Exception:
            self.check()  # what a cancelled call raises is the alarm's doing
            raise
        finally:
            with self._guard:
                self._cancels.remove(cancel)
        self.check()

    def _sleep_until_woken(self, seconds: float) -> None:
        self._woken.wait(seconds)

    def _given_sleep(self) -> Callable[[float], None] | None:
        return None if self._sleep == self._sleep_until_woken else self._sleep
