"""The service's time: the machine's, plus the seconds in a watched file, so that a rehearsal need not wait."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cartctl.sandbox.service.watched import Watched

MAX_SECONDS = 366 * 24 * 3600.0  # seconds


class Clock:
    """UTC plus the seconds in a file, such as `7200`; without the file, or with a malformed one, UTC."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        self._ahead = Watched(path, _parse, timedelta(0), complain)

    def now(self) -> datetime:
        """The time of a request."""
        return datetime.now(UTC) + self._ahead.get()


def _parse(text: str) -> timedelta:
    seconds = float(text)
    if not 0 <= seconds <= MAX_SECONDS:  # also NaN
        raise ValueError(f"expected 0 to {MAX_SECONDS:.0f} seconds")
    return timedelta(seconds=seconds)
