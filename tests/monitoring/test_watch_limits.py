"""The numbers behind the monitor: gaps, blindness, the history that it reads, cooldown, and the traffic that it sends."""

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from cartctl.adapters.metrics.source import Metric, MetricsFailed, PastReading, Reading
from cartctl.config.model.environment import Monitor, Thresholds
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.thresholds import MetricVerdict
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.triggers import SpanRule, TriggerFired, TriggerState
from cartctl.monitoring.watch import Watch, trigger_fired
from tests.monitoring.test_watch import NERVOUS, QUICK, Clock, Paths, Source, World, world

SOON = 20.0  # seconds that a busy machine may take


def until(condition: Any) -> None:
    """Wait for another thread."""
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def moment(seconds: float) -> datetime:
    """A time of day from seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("settings", "scrape", "gap"),
    (
        ({}, 15, 60),
        ({}, 30, 60),
        ({}, 31, 62),
        ({"every": "40s"}, 15, 80),
        ({"every": "40s"}, 50, 100),
        ({"max_gap": "10s"}, 50, 10),
    ),
)
def test_the_greatest_gap_is_two_intervals_and_at_least_a_minute(
    settings: dict[str, str], scrape: float, gap: float
) -> None:
    """Unless it is configured; the limit is the threshold's, the window the source's, a minute without a source."""
    clock = Clock()
    monitor = Monitor.model_validate(settings)
    watch = Watch(Source(clock, window=90), None, Thresholds(), monitor, scrape_interval=scrape, clock=clock)
    assert watch._rule == SpanRule(300, gap, 90)
    assert watch._rules.staleness == 90
    assert (watch.sustained, watch.blind_limit) == (300, 300)
    assert Watch(None, None, Thresholds(), monitor, clock=clock)._rule.window == 60
    assert Watch(None, None, Thresholds(), Monitor())._rule.max_gap == 60


def test_blindness_is_that_of_the_metric_missing_longest() -> None:
    """From the beginning on; a metric that is read ends its own alone; arming begins anew."""
    blind = world()
    blind.clock.now += 7
    assert blind.watch.blind_for == 7
    blind.source.silent = True
    blind.run(30)
    assert blind.watch.blind_for == 37
    blind.source.silent = False
    blind.run(15)
    assert blind.watch.blind_for == 0
    assert Watch(None, None, Thresholds(), Monitor.model_validate({"blind_limit": "90s"})).blind_limit == 90
    blind.clock.now += 100
    with blind.watch.armed(Pulse()):
        until(lambda: blind.watch.latest)
        assert blind.watch.blind_for == 0


def test_arming_forgets_how_long_nothing_was_seen() -> None:
    """What was before the run is not its blindness."""
    blind = world()
    blind.source.broken = "away"
    blind.clock.now += 500
    with blind.watch.armed(Pulse()):
        assert blind.watch.blind_for == 0
        blind.clock.now += 3
        assert blind.watch.blind_for == 3


def test_maintenance_reported_twice_is_one() -> None:
    """The first beginning and the first end count; an end without a beginning is none."""
    watch = world().watch
    watch.maintenance_ended(moment(5))
    assert watch._maintenance == []
    watch.maintenance_began(moment(10))
    watch.maintenance_began(moment(20))
    watch.maintenance_ended(moment(30))
    watch.maintenance_ended(moment(40))
    watch.maintenance_began(moment(50))
    assert [(each.begin, each.end) for each in watch._maintenance] == [(10, 30), (50, None)]


class Histories(Source):
    """A source whose history fails while `away` is set."""

    away = False

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """Noted, then maybe failing."""
        result = super().past_error_rates(since, until)
        if self.away:
            raise MetricsFailed("away")
        return result


def histories(*unknown: str, **settings: object) -> tuple[Watch, Histories, float]:
    """A watch of such a source, of which these facts of a reading are `unknown`; and the time."""
    clock = Clock()
    source = Histories(clock, **settings)  # type: ignore[arg-type]
    if unknown:
        read = source.read
        without = dict.fromkeys(unknown)
        source.read = lambda: {m: replace(r, **without) for m, r in read().items()}  # type: ignore[method-assign, arg-type]
    return Watch(source, None, Thresholds(), Monitor(), clock=clock), source, clock.now


def test_the_history_is_read_once_and_no_further_back_than_it_can_count() -> None:
    """Twice the limit, a gap and a window."""
    watch, source, now = histories(behind=5.0)
    watch.tick()
    assert source.asked == []
    watch.rebuild(moment(0))
    watch.tick()
    watch.tick()
    assert source.asked == [(now - 720, now)]


def test_the_history_begins_where_the_run_did() -> None:
    """What happened before is none of its business; nothing is read for a run that begins now."""
    watch, source, now = histories()
    watch.rebuild(moment(now - 100))
    watch.tick()
    assert source.asked == [(now - 100, now)]
    for later in (now, now + 1):
        watch.rebuild(moment(later))
        watch.tick()
    assert len(source.asked) == 1
    assert watch._past_since is None


@pytest.mark.parametrize("unknown", (("at",), ("age",), ("at", "age")))
def test_without_the_time_of_the_reading_the_history_ends_now(unknown: tuple[str, ...]) -> None:
    """By our own clock, whichever half of it is not known."""
    watch, source, now = histories(*unknown)
    watch.rebuild(moment(now - 100))
    watch.tick()
    assert source.asked == [(now - 100, now)]


def test_a_history_that_fails_is_read_with_the_next_sample() -> None:
    """And with every one until it succeeds; not while the source itself fails."""
    watch, source, now = histories()
    source.away = True
    watch.rebuild(moment(now - 100))
    watch.tick()
    watch.tick()
    assert len(source.asked) == 2
    source.away, source.broken = False, "refused"
    watch.tick()
    assert len(source.asked) == 2
    source.broken = ""
    watch.tick()
    watch.tick()
    assert len(source.asked) == 3


def test_past_samples_are_judged_like_present_ones() -> None:
    """Too little traffic is neither; a good one clears; the newest breach is shown."""
    sick = world()
    sick.source.error_rate = 0.2
    now = sick.clock.now
    rates = [(300, 0.2, 900), (285, 0.0, 900), (270, 0.2, 900), (255, 0.0, 3), (240, 0.3, 900)]
    sick.source.past = [PastReading(now - ago, rate, requests) for ago, rate, requests in rates]
    sick.source.past += [PastReading(now - 15 * n, 0.2, 900) for n in range(1, 16)]
    sick.watch.rebuild(moment(0))
    tick = sick.watch.tick()
    trigger = tick.triggers[0]
    assert (trigger.state, trigger.for_seconds, trigger.detail) == ("pending", 270, "error rate 20.0%")


def test_samples_that_no_longer_count_are_forgotten() -> None:
    """A watch of days stays small; a reading without a time is no sample."""
    sick = world()
    sick.run(6000)
    assert len(sick.watch._assessment.samples) == 720 / 15
    sick.source.silent = True
    sick.run(150)
    assert len(sick.watch._assessment.samples) == 720 / 15
    odd = world()
    odd.run(2100, every=7)
    assert len(odd.watch._assessment.samples) == 1 + 720 // 7


def test_a_measure_is_shown_with_its_unit_and_without_what_is_no_number() -> None:
    """The reason goes before the source's own detail."""
    odd = world()
    read = odd.source.read

    def changed() -> Mapping[Metric, Reading]:
        readings = dict(read())
        for metric, value in ((Metric.DB_CONNECTIONS, math.nan), (Metric.API_LATENCY_P95, 3.0)):
            readings[metric] = replace(readings[metric], value=value, detail="of two pools")
        readings[Metric.DB_LATENCY_P95] = replace(readings[Metric.DB_LATENCY_P95], detail="of two pools")
        return readings

    odd.source.read = changed  # type: ignore[method-assign]
    tick = odd.watch.tick()
    shown = {each.name: (each.value, each.unit, each.verdict, each.detail) for each in tick.metrics}
    assert shown == {
        Metric.DB_CONNECTIONS: (None, "share", MetricVerdict.NO_DATA, "the value is nan"),
        Metric.DB_LATENCY_P95: (0.001, "s", MetricVerdict.OK, "of two pools"),
        Metric.ERROR_RATE: (0.0, "share", MetricVerdict.OK, ""),
        Metric.API_LATENCY_P95: (3.0, "s", MetricVerdict.CRITICAL, "above 2 s"),
    }
    assert (tick.at, odd.watch.latest) == (moment(odd.clock.now), tick)
    assert [trigger.name for trigger in tick.triggers] == ["error_rate", "critical_paths"]
    assert len(tick.probes) == 3


def test_a_source_that_fails_says_why_for_every_metric() -> None:
    """As does the lack of one."""
    blind = world()
    blind.source.broken = "connection refused"
    assert {measure.detail for measure in blind.watch.tick().metrics} == {"connection refused"}
    tick = Watch(None, None, Thresholds(), Monitor()).tick()
    assert {measure.detail for measure in tick.metrics} == {"no metrics source is configured"}
    assert tick.probes == ()


@pytest.mark.parametrize(
    ("minimum", "requests", "every", "sent"),
    (
        (50, 0.0, "15s", 100),
        (50, None, "15s", 100),
        (50, 30.0, "15s", 40),
        (50, 45.0, "15s", 19),
        (50, 74.9, "15s", 19),
        (50, 75.0, "15s", 0),
        (50, 60.0, "40s", 50),
        (10, 9.5, "2s", 1),
        (0, 0.0, "15s", 0),
    ),
)
def test_the_shortfall_is_sent_at_once_then_one_and_a_half_times_the_minimum(
    minimum: int, requests: float | None, every: str, sent: int
) -> None:
    """Per window of a minute, rounded up; the quietest rate counts, and what is no rate does not."""
    quiet = world(settings=Monitor.model_validate({"minimum_requests": minimum, "every": every}))
    read = quiet.source.read

    def changed() -> Mapping[Metric, Reading]:
        readings = dict(read())
        readings[Metric.API_LATENCY_P95] = replace(readings[Metric.API_LATENCY_P95], requests=requests)
        readings[Metric.DB_CONNECTIONS] = replace(readings[Metric.DB_CONNECTIONS], requests=0.0)
        return readings

    quiet.source.read = changed  # type: ignore[method-assign]
    quiet.watch.tick()
    quiet.watch.close()
    assert quiet.paths.sent == sent


def test_traffic_needs_somebody_to_send_it_and_a_second_round_comes_after_the_first() -> None:
    """Closing waits for the last round."""
    quiet = world()
    quiet.source.requests = 0
    watch = Watch(quiet.source, None, Thresholds(), Monitor(), clock=quiet.clock)
    watch.tick()
    assert watch._traffic is None
    watch.close()
    done: list[int] = []

    def slow(requests: int) -> None:
        time.sleep(0.1)
        done.append(requests)

    quiet.paths.traffic = slow  # type: ignore[method-assign]
    quiet.watch.tick()
    assert quiet.watch._traffic
    assert quiet.watch._traffic.daemon
    quiet.watch.close()
    assert done == [100]
    quiet.watch.tick()
    quiet.watch.close()
    assert done == [100, 100]
    assert quiet.source.closed == 3


def ticking(sick: World, pulse: Pulse, ticks: int) -> None:
    """Arm the watch for so many ticks."""
    seen: list[Tick] = []
    with sick.watch.armed(pulse, observe=seen.append):
        until(lambda: len(seen) >= ticks)


def nervous(**settings: object) -> World:
    """A watch that fires at its first sample."""
    sick = world(settings=Monitor.model_validate({"every": "10ms", **settings}), thresholds=NERVOUS)
    sick.source.error_rate = 0.2
    return sick


def test_the_cooldown_ends_when_it_is_over() -> None:
    """Ten minutes unless configured, and not a second before."""
    for settings, cooldown in (({}, 600), ({"cooldown": "5s"}, 5)):
        sick = nervous(**settings)
        first, within, after = Pulse(), Pulse(), Pulse()
        ticking(sick, first, 2)
        assert isinstance(first.cause, TriggerFired)
        sick.clock.now += cooldown - 0.5
        ticking(sick, within, 2)
        assert within.cause is None
        sick.clock.now += 0.5
        ticking(sick, after, 2)
        assert isinstance(after.cause, TriggerFired)


def test_any_trigger_that_fired_raises_the_alarm() -> None:
    """The critical paths as well; one that is pending does not."""
    sick = world(settings=Monitor.model_validate({"every": "10ms", "critical_failures": 3}))
    sick.paths.down = {"orders"}
    pulse = Pulse()
    sick.watch.tick()
    sick.watch.tick()
    assert sick.trigger("critical_paths") == "pending"
    ticking(sick, pulse, 2)
    assert pulse.cause
    assert pulse.cause.message == ("Rollback trigger critical_paths fired: orders failed 3 times in a row.")
    calm = world(settings=QUICK)
    ticking(calm, pulse := Pulse(), 3)
    assert pulse.cause is None


@pytest.mark.parametrize("pending", ("error_rate", "critical_paths"))
def test_a_pending_trigger_raises_no_alarm(pending: str) -> None:
    """Only one that fired ends a run."""
    sick = world(settings=Monitor.model_validate({"every": "10ms", "critical_failures": 100_000}))
    if pending == "error_rate":
        sick.source.error_rate = 0.2
    else:
        sick.paths.down = {"orders"}
    pulse = Pulse()
    ticking(sick, pulse, 3)
    assert (sick.trigger(pending), pulse.cause) == ("pending", None)


def test_the_watch_ticks_once_per_interval_in_a_thread_that_ends_with_the_block() -> None:
    """The time that a tick takes is part of the interval."""
    slow = world(settings=Monitor.model_validate({"every": "600ms"}))
    read, times = slow.source.read, list[float]()

    def timed() -> Mapping[Metric, Reading]:
        times.append(time.monotonic())
        time.sleep(0.5)
        return read()

    slow.source.read = timed  # type: ignore[method-assign]
    with slow.watch.armed(Pulse()) as armed:
        assert armed is slow.watch
        (thread,) = [each for each in threading.enumerate() if each.name == "cartctl monitor"]
        assert thread.daemon
        until(lambda: len(times) >= 3)
    assert not thread.is_alive()
    pauses = [after - before for before, after in pairwise(times)]
    assert min(pauses) >= 0.59
    assert min(pauses) < 1.0
    assert slow.source.closed == 1


def test_the_alarm_says_which_trigger_why_and_for_how_long() -> None:
    """Without a time or a reason where it has none."""
    assert trigger_fired(TriggerState("error_rate", "fired", 330.4, "error rate 20.0%")).message == (
        "Rollback trigger error_rate fired: error rate 20.0% for 330 s."
    )
    assert trigger_fired(TriggerState("x", "fired")).message == (
        "Rollback trigger x fired: above its threshold."
    )


def test_without_paths_failures_are_not_counted_and_a_pause_forgets_them() -> None:
    """Nor while our own maintenance refuses the requests."""
    paths = Paths(token=False)
    clock = Clock()
    watch = Watch(Source(clock), paths, Thresholds(), Monitor(), clock=clock)
    paths.down = {"auth"}
    watch.tick()
    watch.tick()
    watch.maintenance_began()
    assert watch.tick().probes == ()
    watch.maintenance_ended()
    assert watch.tick().triggers[1] == TriggerState(
        "critical_paths", "pending", detail="auth failed 1 times in a row"
    )
    watch.maintenance_began()
    assert watch.tick().probes == ()  # also in the second one
    watch.maintenance_ended()
    paths.down = set()
    assert watch.tick().triggers[1].state == "clear"
