"""Ctrl-C and SIGTERM: once stops at a safe point, twice at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted


@contextmanager
def interruptible(pulse: Pulse) -> Iterator[None]:
    """Within the block the first signal alarms the pulse, the second raises KeyboardInterrupt. Main thread only."""
    asked = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        stopped = Interrupted(f"Stopped by {signal.Signals(number).name}.")
        # The thread that was interrupted may hold the pulse's own locks, so another one raises the alarm.
        threading.Thread(target=pulse.alarm, args=(stopped,), daemon=True).start()

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
