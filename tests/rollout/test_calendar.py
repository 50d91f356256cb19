"""The twenty days: what is due when, what keeps a stage waiting, and stages that the file may not have."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.config.model.rollout import Calendar, Rollout
from cartctl.config.model.stages import read_percent, read_stages
from cartctl.rollout.schedule import Schedule, Standing

START = date(2026, 12, 1)  # a Tuesday
STAGES = read_stages(Rollout().stages)
EVERY_DAY = Schedule(START, STAGES, Calendar())
OFFICE = Schedule(
    START,
    STAGES,
    Calendar.model_validate(
        {
            "zone": "Europe/Berlin",
            "days": ("mon", "tue", "wed", "thu", "fri"),
            "from": time(9),
            "to": time(17),
        }
    ),
    frozenset({date(2026, 12, 7)}),
)


def at(day: int, hour: int = 12) -> datetime:
    """An hour (UTC) of a day of the rollout."""
    return datetime.combine(START + timedelta(days=day), time(hour), UTC)


def stood(stage: int, day: int) -> Standing:
    """A stage that was entered on a day."""
    return Standing(stage, START + timedelta(days=day))


def test_every_stage_on_its_day() -> None:
    """Looked at every day, the stages are entered on days 3, 6, 11, 14, 17 and 19, and day 21 asks for nothing."""
    standing, entered = stood(0, 0), []
    for day in range(30):
        due = EVERY_DAY.due(standing, at(day))
        if due.stage is not None:
            entered.append((due.stage, day))
            standing = stood(due.stage, day)
    assert entered == [(1, 3), (2, 6), (3, 11), (4, 14), (5, 17), (6, 19)]
    assert EVERY_DAY.due(standing, at(21)).why == "every stage is complete"
    assert EVERY_DAY.planned(21) == 6


def test_a_stage_skipped_over_a_weekend_is_still_entered_first() -> None:
    """A stage whose days lay on closed days is not left out: it is entered late, and stands its days before the next."""
    standing = stood(4, 14)
    assert OFFICE.due(standing, at(18)).why.endswith("on which no stage begins")  # a Saturday
    due = OFFICE.due(standing, at(20))  # Monday, when the last stage's day has come too
    assert due.stage == 5
    assert OFFICE.due(stood(5, 20), at(20)).why == "75% must last until 2026-12-23"
    assert OFFICE.due(stood(5, 20), at(22)).stage == 6


def test_freeze_days_and_hours_keep_it_closed() -> None:
    """Nothing is entered on a freeze day or outside the hours, and the next open date is told."""
    due = OFFICE.due(stood(1, 3), at(6))
    assert (due.stage, due.why, due.on) == (None, "2026-12-07 is a freeze day", date(2026, 12, 8))
    assert OFFICE.due(stood(1, 3), at(7)).stage == 2
    assert "outside 09:00 to 17:00" in OFFICE.due(stood(1, 3), at(7, hour=7)).why
    assert OFFICE.due(stood(1, 3), at(7, hour=8)).stage == 2  # nine o'clock in Berlin


def test_days_are_counted_where_the_companies_are() -> None:
    """At 23:30 UTC it is already the next day in Berlin."""
    late = datetime(2026, 12, 3, 23, 30, tzinfo=UTC)
    assert (EVERY_DAY.day(late), OFFICE.day(late)) == (2, 3)


def test_an_hour_that_the_clocks_skip_opens_at_the_change() -> None:
    """A window that lies in the skipped hour of spring opens at the jump, for an hour; the doubled hour of autumn opens it twice."""
    early = Calendar.model_validate({"zone": "Europe/Berlin", "from": time(2), "to": time(3)})
    spring = Schedule(date(2027, 3, 28), STAGES, early)
    under_way = Standing(-1, date(2027, 3, 28))
    hours = [
        hour
        for hour in range(24)
        if spring.due(under_way, datetime(2027, 3, 28, hour, 30, tzinfo=UTC)).stage == 0
    ]
    assert hours == [1]
    assert spring.due(under_way, datetime(2027, 3, 29, 0, 30, tzinfo=UTC)).stage == 0
    autumn = Schedule(date(2026, 10, 25), STAGES, early)
    open_at = [hour for hour in range(24) if not autumn.closed(datetime(2026, 10, 25, hour, 30, tzinfo=UTC))]
    assert open_at == [0, 1]
    assert autumn.day(datetime(2026, 10, 25, 23, 30, tzinfo=UTC)) == 1  # a day of 25 hours is one day


def test_a_start_on_a_freeze_day_waits_for_the_next() -> None:
    """Begun on a day on which nothing moves, the first stage is entered on the first open day and stands its days from then."""
    frozen = replace(EVERY_DAY, frozen=frozenset({START, START + timedelta(days=1)}))
    under_way = Standing(-1, START)
    due = frozen.due(under_way, at(0))
    assert (due.why, due.on) == ("2026-12-01 is a freeze day", START + timedelta(days=2))
    assert frozen.due(under_way, at(2)).stage == 0
    assert frozen.due(stood(0, 2), at(4)).why == "internal must last until 2026-12-06"


def test_a_stage_must_stand_its_days_also_when_it_was_entered_late() -> None:
    """Entered two days late, the canary stands five days all the same, unless fewer are configured."""
    assert EVERY_DAY.due(stood(2, 8), at(12)).why == "beta 10% must last until 2026-12-14"
    assert EVERY_DAY.due(stood(2, 8), at(13)).stage == 3
    assert replace(EVERY_DAY, soak_days=1).due(stood(2, 10), at(11)).stage == 3


def test_a_clock_that_jumps_skips_nothing() -> None:
    """Far ahead only the next stage is entered; back behind the last entry nothing is."""
    assert EVERY_DAY.due(stood(1, 3), at(300)).stage == 2
    assert EVERY_DAY.due(stood(2, 300), at(300)).stage is None
    assert (
        EVERY_DAY.due(stood(2, 300), at(12)).why
        == "the clock shows 2026-12-13, but the stage was entered on 2027-09-27"
    )


def test_hold_and_abort_end_it() -> None:
    """On hold, or aborted, no day makes anything due."""
    held = replace(stood(2, 6), held="a question of tax")
    assert EVERY_DAY.due(held, at(15)).why == "it is on hold: a question of tax"
    assert EVERY_DAY.due(replace(held, held=None, aborted=True), at(15)).why == "the rollout was aborted"


@given(st.integers(-5, 400), st.integers(0, 6), st.integers(0, 25))
def test_what_is_due_is_the_next_stage_or_a_reason(day: int, stage: int, entered: int) -> None:
    """Whatever the date: one stage further and never more, never before its day, or a sentence why not."""
    due = OFFICE.due(stood(stage, entered), at(day))
    if due.stage is None:
        assert due.why
    else:
        assert due.stage == stage + 1
        assert day >= STAGES[due.stage].first


@pytest.mark.parametrize(
    ("stages", "expected"),
    (
        (("0-2 internal", "2-5 25%"), "overlap"),
        (("0-5 25%", "6-9 10%"), "must ascend"),
        (("0-5 25%", "6-9 25%"), "must ascend"),
        (("0-5 101%",), "from 0 to 100"),
        (("0-5 -1%",), "from 0 to 100"),
        (("5-3 10%",), "ends before it begins"),
        (("0-5",), "no percentage"),
        (("some day",), "is not a valid stage"),
        (("0-5 1.234%",), "more than two decimals"),
        ((), "is empty"),
        (("0-3 50%", "4-5 beta 60%"), "must ascend"),
    ),
)
def test_stages_that_cannot_be(stages: tuple[str, ...], expected: str) -> None:
    """Overlapping days, percentages that fall or leave 0 to 100, and what is no stage are named."""
    with pytest.raises(ValueError, match=expected):
        read_stages(stages)


def test_stages_are_read() -> None:
    """Name, beta, percentage and sign-off, in short and in full."""
    first, *_, last = read_stages(("0 internal", "1-4 canary beta 12.5%", "5-9 100% signoff"))
    assert (first.name, int(first.percent), first.days) == ("internal", 0, 1)
    assert (last.name, last.signoff, last.beta) == ("100%", True, False)


@pytest.mark.parametrize("text", ("", "ten", "10.001", "-3", "100.01", "1e1", "10%%", "∞", "9" * 400))
def test_percentages_that_cannot_be(text: str) -> None:
    """What is no percentage from 0 to 100 is refused."""
    with pytest.raises(ValueError, match=r"percent|decimals"):
        read_percent(text)


def test_a_calendar_of_a_skipped_hour_opens_at_the_change() -> None:
    """A stage that may be entered between 02:00 and 03:00 can be entered on the day without that hour."""
    night = Schedule(
        START, STAGES, Calendar.model_validate({"zone": "Europe/Berlin", "from": time(2), "to": time(3)})
    )
    assert night.closed(datetime(2026, 3, 29, 1, 0, tzinfo=UTC)) == ""
    assert night.closed(datetime(2026, 3, 29, 1, 59, tzinfo=UTC)) == ""
    assert night.closed(datetime(2026, 3, 29, 0, 59, tzinfo=UTC)).startswith("it is 01:59")
    assert night.closed(datetime(2026, 3, 29, 2, 0, tzinfo=UTC)).startswith("it is 04:00")
