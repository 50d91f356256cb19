"""A gate that opens at a time."""

from collections.abc import Callable
from datetime import datetime

from cartctl.engine.model import Check, CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse


class Until(Check):
    """Waits, armed, for a moment; a moment that has passed opens at once."""

    def __init__(self, key: str, at: datetime, clock: Callable[[], datetime]) -> None:
        self.key = key
        self._at = at
        self._clock = clock

    def judge(self, pulse: Pulse) -> Checks:
        """Pass, when the time has come."""
        total = max(0.0, (self._at - self._clock()).total_seconds())
        while (left := (self._at - self._clock()).total_seconds()) > 0:
            pulse.progress(total - left, total, "s")
            pulse.pause(min(left, 1.0))
        return Checks(
            (CheckResult(self.key, Verdict.PASS, observed=self._clock().isoformat(timespec="seconds")),)
        )
