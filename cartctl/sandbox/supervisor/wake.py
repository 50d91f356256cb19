"""Ends the controller's wait early: from the control API's threads, probes and signal handlers."""

from queue import Empty, SimpleQueue


class Wake:
    """Ends a wait early. A queue and no Event: its `put` may interrupt its own `get` in a signal handler."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """End the present wait, or the next one at once."""
        self._calls.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for `set`, with a timeout; simultaneous calls count once."""
        try:
            self._calls.get(timeout=seconds)
            while True:
                self._calls.get_nowait()
        except Empty:
            return
