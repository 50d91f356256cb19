"""Windows on dates whose clock changes: the rule by example, and against a walk through the day minute by minute."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cartctl.config.wall_clock import is_open, opening
from tests.fuzz.amount import EXAMPLES

ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})
CHANGING = (
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",  # for Ramadan
    "Asia/Beirut",
    "America/Havana",
    "Pacific/Apia",  # left a date out
    "Antarctica/Troll",  # by two hours
    "Asia/Kathmandu",
)


def local(day: str, begin: str, end: str, zone: str) -> tuple[str, str] | None:
    """When a window opens and closes, by the local clock with its offset."""
    there = ZoneInfo(zone)
    result = opening(date.fromisoformat(day), time.fromisoformat(begin), time.fromisoformat(end), there)
    return (
        None
        if result is None
        else (f"{result[0].astimezone(there):%H:%M%z}", f"{result[1].astimezone(there):%H:%M%z}")
    )


@pytest.mark.parametrize(
    ("day", "begin", "end", "opens", "closes"),
    (
        ("2026-03-24", "02:00", "04:00", "02:00+0100", "04:00+0100"),  # an ordinary day
        (
            "2026-03-29",
            "02:00",
            "03:00",
            "03:00+0200",
            "04:00+0200",
        ),  # left out as a whole: at the jump, for its length
        ("2026-03-29", "02:15", "02:30", "03:00+0200", "03:15+0200"),
        ("2026-03-29", "02:00", "04:00", "03:00+0200", "04:00+0200"),  # its beginning is left out
        ("2026-03-29", "01:00", "02:30", "01:00+0100", "03:00+0200"),  # its end is left out
        ("2026-10-25", "02:00", "03:00", "02:00+0200", "03:00+0100"),  # comes twice: both times, two hours
        (
            "2026-10-25",
            "01:00",
            "02:30",
            "01:00+0200",
            "02:30+0200",
        ),  # closes the first time and does not open again
        ("2026-10-25", "02:30", "04:00", "02:30+0200", "04:00+0100"),  # opens the first time and stays open
    ),
)
def test_a_window_on_a_day_with_a_clock_change(
    day: str, begin: str, end: str, opens: str, closes: str
) -> None:
    """As documented in runbooks/deploy.md, in Europe/Berlin."""
    assert local(day, begin, end, "Europe/Berlin") == (opens, closes)


def test_a_date_that_a_zone_leaves_out_has_no_window() -> None:
    """Samoa had no 30th of December 2011; the days around it are ordinary."""
    assert local("2011-12-30", "02:00", "04:00", "Pacific/Apia") is None
    assert local("2011-12-31", "00:00", "04:00", "Pacific/Apia") == ("00:00+1400", "04:00+1400")


def test_midnight_may_be_omitted() -> None:
    """Where the clock jumps at midnight, the day begins at one."""
    assert local("2018-11-04", "00:00", "02:00", "America/Sao_Paulo") == ("01:00-0200", "02:00-0200")


MINUTES = st.integers(0, 24 * 60 - 1)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    zone=st.one_of(st.sampled_from(CHANGING), st.sampled_from(ZONES)),
    day=st.dates(date(1971, 1, 2), date(2037, 12, 30)),
    begin=MINUTES,
    length=st.integers(1, 300),
)
@example("Europe/Berlin", date(2026, 3, 29), 120, 60)
@example("America/Sao_Paulo", date(2018, 11, 4), 0, 30)
@example("Pacific/Apia", date(2011, 12, 30), 600, 60)
def test_a_window_is_what_a_walk_through_the_day_finds(zone: str, day: date, begin: int, length: int) -> None:
    """For any zone and year: one interval, as long as a person with the local clock in view would say."""
    there = ZoneInfo(zone)
    end = min(begin + length, 24 * 60 - 1)
    if begin >= end:
        return
    first, last = _time(begin), _time(end)
    start = datetime.combine(day, time(), UTC) - timedelta(hours=27)
    moments = [start + timedelta(minutes=minute) for minute in range(78 * 60)]
    clocks = [moment.astimezone(there) for moment in moments]
    reached = [
        next((at for at, clock in enumerate(clocks) if clock.date() == day and clock.time() >= edge), None)
        for edge in (first, last)
    ]
    result = opening(day, first, last, there)
    if all(clock.date() != day for clock in clocks):
        assert result is None
        return
    assert result is not None
    assert is_open(result[0], day, first, last, there)
    assert not is_open(result[1], day, first, last, there)
    assert not is_open(result[0] - timedelta(seconds=1), day, first, last, there)
    if reached[0] is not None:  # else the clock jumps from before the beginning to the next date
        assert abs(result[0] - moments[reached[0]]) <= timedelta(minutes=1)
    if reached[0] is not None and reached[1] is not None and reached[0] != reached[1]:
        assert abs(result[1] - moments[reached[1]]) <= timedelta(minutes=1)
    else:
        assert result[1] - result[0] <= timedelta(minutes=end - begin)


def _time(minute: int) -> time:
    return time(minute // 60, minute % 60)
