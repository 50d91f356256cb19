"""Durations, sizes and counts as text of a stable width."""

from cartctl.measurements import size

__all__ = ["duration", "share", "size"]

_MINUTE = 60
_HOUR = 3600


def duration(seconds: float) -> str:
    """`40 ms`, `0.4 s`, `12 s`, `3:05 min` or `1:02:03 h`."""
    if 0 < seconds < 0.095:  # noqa: PLR2004 - what would be rounded to 0.1
        return f"{max(seconds * 1000, 1):.0f} ms"
    if seconds < 9.95:  # noqa: PLR2004 - what would be rounded to 10.0
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02}:{whole % _MINUTE:02} h"


def share(done: float, total: float, unit: str) -> str:
    """Progress as text: bytes as sizes, seconds as remaining time, anything else as counts."""
    if unit == "bytes":
        return f"{size(done)} of {size(total)}" if total else size(done)
    if unit in {"s", "seconds"}:
        return f"{duration(max(total - done, 0))} left"
    return f"{done:.12g} of {total:.12g} {unit}".rstrip() if total else f"{done:.12g} {unit}".rstrip()
