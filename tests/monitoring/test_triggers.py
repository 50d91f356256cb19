"""The rollback triggers, case by case and against a slow statement of the rule."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.monitoring.triggers import (
    Failures,
    Interval,
    Sample,
    Sign,
    SpanRule,
    State,
    error_rate_trigger,
    horizon,
)

T0 = 1_790_000_000.123  # a time of day as floats hold it
RULE = SpanRule(limit=300, max_gap=60, window=60)
SIGNS = {"x": Sign.BREACH, ".": Sign.GOOD, "o": Sign.NEITHER}


def line(signs: str, *, every: float = 15, start: float = T0) -> list[Sample]:
    """Samples from signs (x breach, . good, o neither, space none), `every` seconds apart."""
    return [Sample(start + i * every, SIGNS[sign]) for i, sign in enumerate(signs) if sign != " "]


def state(samples: list[Sample], *maintenance: Interval, rule: SpanRule = RULE) -> State:
    """The trigger's state at the newest sample."""
    return error_rate_trigger(samples, maintenance, rule).state


@pytest.mark.parametrize(
    ("seconds", "expected"), ((299, "pending"), (300, "pending"), (301, "fired"), (300.001, "fired"))
)
@pytest.mark.parametrize("start", (0.0, T0, T0 + 0.777))
def test_five_minutes_are_strict(seconds: float, expected: State, start: float) -> None:
    """4:59 and 5:00 do not fire, 5:01 does, whatever the time of day."""
    samples = [Sample(start + at, Sign.BREACH) for at in (*range(0, 299, 20), seconds)]
    assert state(samples) == expected


def test_the_span_is_reported() -> None:
    """The state tells for how long the rate has been too high."""
    assert error_rate_trigger(line("xxxx"), (), RULE).for_seconds == 45
    assert error_rate_trigger(line(".ooo"), (), RULE).for_seconds == 0


def test_no_sample_at_all_is_clear() -> None:
    """Nothing measured proves nothing."""
    assert state([]) == "clear"
    assert state(line("oooo")) == "clear"


def test_one_breach_is_pending() -> None:
    """A first breach has no span yet."""
    assert state(line("..x")) == "pending"


def test_a_good_sample_clears() -> None:
    """One good sample in between and the five minutes begin anew."""
    assert state(line("x" * 15 + "." + "x" * 15)) == "pending"
    assert state(line("x" * 30 + ".")) == "clear"


def test_low_traffic_neither_proves_nor_clears() -> None:
    """Samples that say nothing are as if they had not been taken."""
    assert state(line("xxoxxoxx" * 3)) == "fired"
    assert state(line("x" * 15 + "oo" + "x" * 6)) == "fired"


def test_low_traffic_alone_does_not_fire() -> None:
    """What fires is a breach that is seen now, not one of the past beside a silent sample."""
    assert state([*line("x" * 25), Sample(T0 + 380, Sign.NEITHER)]) == "pending"


def test_a_long_stretch_that_says_nothing_is_a_gap() -> None:
    """Breaches on both sides of it are not one span."""
    assert state(line("x" * 15 + "oooo" + "x" * 15)) == "pending"


@pytest.mark.parametrize(
    ("gap", "expected"), ((59, "fired"), (60, "fired"), (60.001, "pending"), (400, "pending"))
)
def test_a_gap_restarts_the_span(gap: float, expected: State) -> None:
    """Longer than the greatest gap, strictly, and the span begins after it."""
    before = line("x" * 15)
    samples = before + line("x" * 15, start=before[-1].at + gap)
    assert state(samples) == expected


def test_two_breaches_far_apart_prove_nothing() -> None:
    """A span needs samples all along, not only at its ends."""
    assert state([Sample(T0, Sign.BREACH), Sample(T0 + 301, Sign.BREACH)]) == "pending"


def test_the_order_of_arrival_does_not_matter() -> None:
    """Samples count by their own time."""
    assert state(list(reversed(line("x" * 22)))) == "fired"
    assert state(list(reversed(line("x" * 15 + "." + "x" * 15)))) == "pending"


def test_the_same_sample_read_twice_changes_nothing() -> None:
    """Reading faster than the source scrapes adds no time."""
    assert state(line("x" * 20) * 3) == "pending"


def test_twenty_minutes_of_maintenance_fire_nothing() -> None:
    """Our own maintenance is no outage, however bad its samples are."""
    maintenance = Interval(T0 + 10, T0 + 1210)
    assert state(line("." + "x" * 80), maintenance) == "clear"
    assert state(line("x" * 80), Interval(T0 + 10)) == "clear"


def test_the_span_restarts_one_window_after_maintenance() -> None:
    """The first sample that counts is the one whose window no longer sees the maintenance."""
    maintenance = Interval(T0, T0 + 100)
    assert state([Sample(T0 + 159.9, Sign.BREACH)], maintenance) == "clear"
    assert state([Sample(T0 + 160, Sign.BREACH)], maintenance) == "pending"
    after = [Sample(T0 + 160 + 20 * i, Sign.BREACH) for i in range(16)]
    assert state(after, maintenance) == "pending"
    assert state([*after, Sample(T0 + 160 + 301, Sign.BREACH)], maintenance) == "fired"


def test_breaches_before_maintenance_do_not_count_after_it() -> None:
    """A span is not carried across our own maintenance, even a short one between two samples."""
    short = Interval(T0 + 241, T0 + 242)
    rule = SpanRule(limit=300, max_gap=200, window=5)
    assert state(line("x" * 22), rule=rule) == "fired"
    assert state(line("x" * 22), short, rule=rule) == "pending"


def test_a_good_sample_in_maintenance_clears_nothing_and_proves_nothing() -> None:
    """In maintenance a sample is neither; the span restarts all the same."""
    assert error_rate_trigger(line("x" * 10 + "."), (Interval(T0 + 149),), RULE).state == "clear"


def slow_state(samples: list[Sample], maintenance: list[Interval], rule: SpanRule) -> State:
    """The rule as the plan says it: try every first sample of a span that ends at the newest breach."""
    counted = []
    for sample in sorted(samples, key=lambda sample: sample.at):
        seen = any(
            m.begin < sample.at and (m.end is None or sample.at - rule.window < m.end) for m in maintenance
        )
        if sample.sign is not Sign.NEITHER:
            counted.append((sample, seen))
    if not counted or counted[-1][1] or counted[-1][0].sign is Sign.GOOD:
        return "clear"
    newest = counted[-1][0]
    for index in range(len(counted)):
        span = counted[index:]
        unbroken = all(sample.sign is Sign.BREACH and not seen for sample, seen in span)
        close = all(
            b.at - a.at <= rule.max_gap and not any(a.at <= m.begin < b.at for m in maintenance)
            for (a, _), (b, _) in pairwise(span)
        )
        last_of_all = max(samples, key=lambda sample: sample.at) is newest
        if unbroken and close and newest.at - span[0][0].at > rule.limit and last_of_all:
            return "fired"
    return "pending"


@given(
    signs=st.lists(st.tuples(st.sampled_from(Sign), st.integers(1, 90)), max_size=60),
    breaks=st.lists(st.tuples(st.integers(-100, 2000), st.integers(1, 300)), max_size=2),
    limit=st.sampled_from((30, 120, 300)),
    window=st.sampled_from((5, 60)),
)
def test_the_trigger_is_the_plans_rule(
    signs: list[tuple[Sign, int]], breaks: list[tuple[int, int]], limit: int, window: int
) -> None:
    """For any samples, gaps and maintenance the quick walk agrees with the slow statement."""
    at, samples = 0, []
    for sign, step in signs:
        at += step
        samples.append(Sample(float(at), sign))
    maintenance = [Interval(float(begin), float(begin + long)) for begin, long in breaks]
    rule = SpanRule(limit=limit, max_gap=60, window=window)
    assert error_rate_trigger(samples, maintenance, rule).state == slow_state(samples, maintenance, rule)


@given(
    signs=st.lists(
        st.tuples(
            st.sampled_from((Sign.BREACH, Sign.BREACH, Sign.BREACH, Sign.GOOD, Sign.NEITHER)),
            st.integers(1, 70),
        ),
        min_size=1,
        max_size=80,
    )
)
def test_forgetting_beyond_the_horizon_changes_nothing(signs: list[tuple[Sign, int]]) -> None:
    """Samples older than the horizon never decide."""
    at, samples = 0, []
    for sign, step in signs:
        at += step
        samples.append(Sample(float(at), sign))
    kept = [sample for sample in samples if sample.at > at - horizon(RULE)]
    assert state(kept) == state(samples)


def test_a_critical_path_fires_after_so_many_failures_in_a_row() -> None:
    """Two failures are pending, the third fires."""
    failures = Failures(3, {})
    for expected in ("pending", "pending", "fired"):
        failures = failures.after("payments", ok=False)
        assert failures.state().state == expected
    assert "payments failed 3 times" in failures.state().detail


def test_a_success_in_between_clears_a_critical_path() -> None:
    """Failures count in a row."""
    failures = Failures(3, {})
    for ok in (False, False, True, False, False):
        failures = failures.after("auth", ok=ok)
    assert failures.state().state == "pending"


def test_paths_are_counted_one_by_one() -> None:
    """Three failures of three paths are no three in a row of one."""
    failures = Failures(3, {})
    for name in ("auth", "payments", "orders"):
        failures = failures.after(name, ok=False)
    assert failures.state().state == "pending"


def test_a_pause_forgets_the_failures_before_it() -> None:
    """After a time in which nothing was looked at the count begins anew."""
    failures = Failures(2, {}).after("auth", ok=False).reset().after("auth", ok=False)
    assert failures.state().state == "pending"
