"""Times of day on dates with a clock change: the one rule for windows and schedules. Pure.

A window opens at the first moment at which the local clock shows its beginning or later, and closes at the first moment at
which it shows its end or later. So an hour that occurs twice belongs to it both times, without a gap. Where the clock jumps
over its beginning, it opens at the jump; where the clock jumps over all of it, it opens at the jump for its whole length. A
date that a zone skips has no window.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)


def opening(day: date, begin: time, end: time, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """The moments (UTC) at which a window of a local date opens and closes, the second no longer in it.

    None where the zone leaves the date out. `begin` is before `end`, both without a zone.
    """
    opens, closes = _first(day, begin, zone), _first(day, end, zone)
    if (
        opens.astimezone(zone).date() != day
        and closes.astimezone(zone).date() != day
        and _left_out(day, zone)
    ):
        return None
    if opens < closes:
        return opens, closes
    return opens, opens + (datetime.combine(day, end) - datetime.combine(day, begin))


def is_open(now: datetime, day: date, begin: time, end: time, zone: ZoneInfo) -> bool:
    """Whether the window of a local date is open at a moment."""
    interval = opening(day, begin, end, zone)
    return interval is not None and interval[0] <= now < interval[1]


def _first(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which the local clock shows a time of a date, or a later one."""
    local = datetime.combine(day, at)
    moment = _utc(local, zone, fold=0)
    if moment.astimezone(zone).replace(tzinfo=None) == local:
        return moment
    late, early = moment, _utc(local, zone, fold=1)  # the clock jumps over it: the jump lies between
    after = late.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        early, late = (early, middle) if middle.astimezone(zone).utcoffset() == after else (middle, late)
    return late.replace(microsecond=0)


def _utc(local: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _left_out(day: date, zone: ZoneInfo) -> bool:
    """Whether the local calendar skips this date, as when a country moves across the date line."""
    noon = datetime.combine(day, time(12))
    return _utc(noon, zone, fold=0).astimezone(zone).date() != day
