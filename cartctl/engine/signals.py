"""Ctrl-C, SIGTERM and SIGHUP, the same in every command: the first stops at a safe point, the second immediately.

Within `interruptible` the first signal raises an alarm on the pulse; elsewhere (a prompt, loading, a short command) it ends
the command. A thread receives signals through the wakeup pipe, so that even a command that is busy in a library
acknowledges one within a second. A signal that was ignored at start (`nohup`, a background job) stays ignored.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from cartctl.engine.pulse import Pulse
from cartctl.errors import HungUp, Interrupted, Terminated

ENDS: dict[int, type[Interrupted]] = {
    signal.SIGINT: Interrupted,
    signal.SIGTERM: Terminated,
    signal.SIGHUP: HungUp,
}
REPORT_AFTER = 1.0  # seconds until the listening thread reports a command that has not ended
GRACE = 10.0  # seconds that such a command has to clean up (a scratch server) before it is terminated

Report = Callable[[Interrupted], None]


class StopNow(KeyboardInterrupt):
    """A signal that ends the command wherever it is."""


class Signals:
    """The signal handlers of one process. `report` shows why a command ends; the main thread installs and restores."""

    def __init__(self, report: Report) -> None:
        self.pulses: list[Pulse] = []
        self.received: int | None = None  # the first signal
        self._report = report
        self._count = 0
        self._shields = 0
        self._postponed = False
        self._restored = False
        self._reported = threading.Event()
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        handled = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._restore = {number: signal.signal(number, self._handle) for number in handled}
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def restore(self) -> None:
        """Restore the previous handlers; the listening thread ends."""
        for number, handler in self._restore.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writing)
        self._restored = True

    def cause(self) -> Interrupted | None:
        """Why the command ends, once a signal has arrived: its exit code is 128 + the signal's number."""
        if self.received is None:
            return None
        return ENDS[self.received](f"Stopped by {signal.Signals(self.received).name}.")

    def reported(self) -> bool:
        """Whether the end has already been reported; marks it as reported."""
        reported = self._reported.is_set()
        self._reported.set()
        return reported

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """A block that StopNow does not interrupt; it is raised at the end of the block."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if self._postponed and not self._shields:
                self._postponed = False
                raise StopNow

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        """Runs in the main thread, between two of its instructions."""
        self.received = self.received or number
        self._count += 1
        if self._count == 1 and self.pulses:
            return  # the listening thread raises the alarm: this thread may hold the pulse's lock
        if self._shields:
            self._postponed = True
            return
        raise StopNow

    def _listen(self) -> None:
        count = 0
        while number := os.read(self._reading, 1):
            if number[0] not in self._restore:
                continue  # a child that ended
            count += 1
            self.received = self.received or number[0]
            if count == 1 and self.pulses:
                self._stop_soon(self.pulses[-1], number[0])
            else:
                threading.Thread(target=self._end, name="signals end", daemon=True).start()
        os.close(self._reading)

    def _stop_soon(self, pulse: Pulse, number: int) -> None:
        after = f" after {pulse.doing}" if pulse.doing else ""
        again = (
            "press Ctrl-C again" if number == signal.SIGINT else f"send {signal.Signals(number).name} again"
        )
        with suppress(Exception):  # the terminal may be closed
            sys.stderr.write(f"stopping{after}; {again} to stop now\n")
            sys.stderr.flush()
        pulse.alarm(ENDS[number](f"Stopped by {signal.Signals(number).name}."))

    def _end(self) -> None:
        """Report what stays in place if the main thread does not; terminate the process if it does not end."""
        remaining = self.pulses[-1].remaining if self.pulses else None
        cause = remaining() if remaining else self.cause()
        time.sleep(REPORT_AFTER)
        if cause is not None and not self.reported():
            with suppress(Exception):
                self._report(cause)
        time.sleep(GRACE - REPORT_AFTER)
        if not self._restored:
            _end_children()
            os._exit(128 + (self.received or signal.SIGINT))


def stopped(message: str, *, hint: str = "") -> Interrupted:
    """The error of a command that ends now, with the exit code of the received signal (130 if unknown)."""
    number = _installed.received if _installed else None
    return ENDS[number or signal.SIGINT](message, hint=hint)


def stop_cause() -> Interrupted | None:
    """Why a stopped command ends; None without a signal."""
    return _installed.cause() if _installed else None


def already_reported() -> bool:
    """Whether the listening thread has already reported the end of a stopped command; marks it as reported."""
    return _installed is not None and _installed.reported()


_installed: Signals | None = None


def install(report: Report) -> Signals:
    """Install the signal handlers for the whole process. Main thread only."""
    global _installed  # noqa: PLW0603 - signals are the process's
    _installed = Signals(report)
    return _installed


def uninstall() -> None:
    """Undo `install`."""
    global _installed  # noqa: PLW0603 - signals are the process's
    if _installed is not None:
        _installed.restore()
        _installed = None


@contextmanager
def interruptible(pulse: Pulse, *, judging: bool = False) -> Iterator[None]:
    """Within the block the first signal alarms the pulse, the second raises StopNow. Main thread only.

    With `judging`, a stop during the block's last part is raised at its end: a stopped check has no verdict.
    """
    own = _installed is None
    signals = _installed or install(lambda _: None)
    signals.pulses.append(pulse)
    try:
        yield
        if judging:
            pulse.check()
    finally:
        signals.pulses.remove(pulse)
        if own:
            uninstall()


@contextmanager
def unstoppable() -> Iterator[None]:
    """A block that a second signal does not interrupt: what was committed is also reported."""
    if _installed is None:
        yield
        return
    with _installed.shielded():
        yield


def _end_children() -> None:
    """Terminate child programs; they run in their own sessions, so nothing else would."""
    if "cartctl.adapters.programs" in sys.modules:
        from cartctl.adapters.programs import end_all

        end_all()
