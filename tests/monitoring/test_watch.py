"""The monitor of a run: what it judges, when it raises the alarm, and that it never takes silence for health."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from cartctl.adapters.metrics.source import Metric, MetricsFailed, PastReading, Reading
from cartctl.config.model.environment import ErrorRateThreshold, Monitor, Thresholds
from cartctl.engine.pulse import Pulse
from cartctl.errors import Inconclusive
from cartctl.monitoring.probes import Probe, Probes
from cartctl.monitoring.thresholds import MetricVerdict
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.triggers import TriggerFired
from cartctl.monitoring.watch import Watch
from tests.metrics_double import WithoutHistory

TOPS = {Metric.API_LATENCY_P95: 10.0, Metric.DB_LATENCY_P95: 2.5}


@dataclass
class Clock:
    """A time of day that only moves when told to."""

    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


@dataclass
class Source(WithoutHistory):
    """A source that says what it is told to; its samples are as old as the clock."""

    clock: Clock
    window: float = 60.0
    error_rate: float = 0.0
    requests: float = 1000.0
    broken: str = ""
    past: list[PastReading] = field(default_factory=list)
    asked: list[tuple[float, float]] = field(default_factory=list)
    behind: float = 0.0  # seconds by which the newest sample is older than its evaluation
    silent: bool = False  # no series, as while nothing was scraped
    closed: int = 0

    def read(self) -> Mapping[Metric, Reading]:
        """Every metric, well but for what the test changed."""
        if self.broken:
            raise MetricsFailed(self.broken)
        whole = {
            metric: Reading(
                metric, 0.001, self.clock.now, 0.0, requests=self.requests, top_bucket=TOPS.get(metric)
            )
            for metric in Metric
        }
        at = self.clock.now - self.behind
        whole[Metric.ERROR_RATE] = replace(
            whole[Metric.ERROR_RATE], value=self.error_rate, at=at, age=self.behind
        )
        if self.silent:
            whole[Metric.ERROR_RATE] = Reading(Metric.ERROR_RATE, series=0)
        return whole

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """The past it was given."""
        self.asked.append((since, until))
        return [one for one in self.past if since <= one.at <= until]

    def close(self) -> None:
        """Counted."""
        self.closed += 1


class Paths(Probes):
    """Critical paths that work but for those named; requests are counted, not sent."""

    def __init__(self, *, token: bool = True) -> None:
        self.token = token
        self.down: set[str] = set()
        self.looks = 0
        self.sent = 0

    @property
    def pass_maintenance(self) -> bool:
        """With the token."""
        return self.token

    def critical(self) -> list[Probe]:
        """All three."""
        self.looks += 1
        return [Probe(name, name not in self.down, "told") for name in ("auth", "payments", "orders")]

    def traffic(self, requests: int) -> None:
        """Counted."""
        self.sent += requests


@dataclass
class World:
    """A watch with its parts."""

    clock: Clock
    source: Source
    paths: Paths
    watch: Watch

    def run(self, seconds: float, every: float = 15) -> None:
        """Tick for so long."""
        for _ in range(round(seconds / every)):
            self.clock.now += every
            self.watch.tick()

    def trigger(self, name: str) -> str:
        """A trigger's state at the latest tick."""
        assert self.watch.latest
        return next(trigger.state for trigger in self.watch.latest.triggers if trigger.name == name)

    def verdict(self, metric: Metric) -> MetricVerdict:
        """A metric's verdict at the latest tick."""
        assert self.watch.latest
        return next(measure.verdict for measure in self.watch.latest.metrics if measure.name is metric)


def world(
    *, token: bool = True, settings: Monitor | None = None, thresholds: Thresholds | None = None
) -> World:
    """A healthy environment."""
    clock = Clock()
    source, paths = Source(clock), Paths(token=token)
    watch = Watch(source, paths, thresholds or Thresholds(), settings or Monitor(), clock=clock)
    return World(clock, source, paths, watch)


def test_a_healthy_environment_is_ok_and_clear() -> None:
    """Everything measured, everything below its threshold."""
    all_well = world()
    all_well.run(60)
    assert all_well.watch.latest
    assert {measure.verdict for measure in all_well.watch.latest.metrics} == {MetricVerdict.OK}
    assert {trigger.state for trigger in all_well.watch.latest.triggers} == {"clear"}
    assert all_well.paths.sent == 0


def test_the_error_rate_fires_after_more_than_five_minutes() -> None:
    """At five minutes it is pending, at the next tick it fires."""
    sick = world()
    sick.source.error_rate = 0.2
    sick.run(315)
    assert sick.trigger("error_rate") == "pending"
    sick.run(15)
    assert sick.trigger("error_rate") == "fired"


def test_maintenance_fires_nothing() -> None:
    """Twenty minutes of our own 503s are neither an outage nor proof of health, and the span begins after them."""
    sick = world()
    sick.source.error_rate = 0.9
    sick.watch.maintenance_began()
    sick.run(1200)
    assert sick.trigger("error_rate") == "clear"
    sick.watch.maintenance_ended()
    sick.run(345)
    assert sick.trigger("error_rate") == "pending"
    sick.run(30)
    assert sick.trigger("error_rate") == "fired"


def test_a_second_maintenance_ends_like_the_first() -> None:
    """A run may enter maintenance twice; errors after the second count again."""
    sick = world()
    for _ in range(2):
        sick.watch.maintenance_began()
        sick.run(60)
        sick.watch.maintenance_ended()
        sick.run(60)
    sick.source.error_rate = 0.9
    sick.run(400)
    assert sick.trigger("error_rate") == "fired"


def test_maintenance_reported_by_its_time_counts_from_that_time() -> None:
    """A resumed run tells of maintenance that began and ended before."""
    sick = world()
    sick.source.error_rate = 0.9
    sick.watch.maintenance_began(datetime.fromtimestamp(sick.clock.now - 600, UTC))
    sick.watch.maintenance_ended(datetime.fromtimestamp(sick.clock.now - 300, UTC))
    sick.run(330)
    assert sick.trigger("error_rate") == "fired"


def test_critical_paths_fire_after_three_failures() -> None:
    """Payments down, three looks in a row."""
    sick = world()
    sick.paths.down = {"payments"}
    sick.run(30)
    assert sick.trigger("critical_paths") == "pending"
    sick.run(15)
    assert sick.trigger("critical_paths") == "fired"


def test_paths_with_the_token_are_requested_in_maintenance_too() -> None:
    """The admin passes maintenance: a path that fails then fails for real."""
    sick = world()
    sick.watch.maintenance_began()
    sick.paths.down = {"orders"}
    sick.run(45)
    assert sick.trigger("critical_paths") == "fired"


def test_paths_without_a_token_pause_in_maintenance() -> None:
    """A stranger's 503 in maintenance is no failure, and the count begins anew after it."""
    calm = world(token=False)
    calm.paths.down = {"orders"}
    calm.run(30)
    calm.watch.maintenance_began()
    calm.run(600)
    assert calm.trigger("critical_paths") == "clear"
    assert calm.paths.looks == 2
    calm.watch.maintenance_ended()
    calm.run(30)
    assert calm.trigger("critical_paths") == "pending"


def test_a_source_that_fails_is_error_never_ok() -> None:
    """No answer is no good answer, for every metric."""
    blind = world()
    blind.source.broken = "connection refused"
    blind.run(15)
    assert {blind.verdict(metric) for metric in Metric} == {MetricVerdict.ERROR}


def test_no_source_at_all_is_error() -> None:
    """Without a source nothing is claimed, but critical paths are still watched."""
    clock, paths = Clock(), Paths()
    tick = Watch(None, paths, Thresholds(), Monitor(), clock=clock).tick()
    assert {measure.verdict for measure in tick.metrics} == {MetricVerdict.ERROR}
    assert len(tick.probes) == 3


def test_blindness_is_counted_until_something_is_seen() -> None:
    """The time without data grows, and one look that sees ends it; low traffic sees."""
    blind = world()
    blind.source.broken = "timeout"
    blind.run(300)
    assert blind.watch.blind_for == 300
    blind.source.broken = ""
    blind.source.requests = 3
    blind.run(15)
    assert blind.verdict(Metric.ERROR_RATE) is MetricVerdict.LOW_TRAFFIC
    assert blind.watch.blind_for == 0


def test_a_gap_in_the_measurements_restarts_the_span() -> None:
    """Five minutes of silence between breaches prove nothing."""
    sick = world()
    sick.source.error_rate = 0.2
    sick.run(200)
    sick.source.broken = "timeout"
    sick.run(120)
    sick.source.broken = ""
    sick.run(200)
    assert sick.trigger("error_rate") == "pending"


def test_a_quiet_night_gets_traffic_of_cartctls_own() -> None:
    """Too few requests are made up for, a busy service gets none."""
    quiet = world()
    quiet.source.requests = 0
    quiet.watch.tick()
    quiet.watch.close()
    assert quiet.paths.sent >= 50


def test_the_past_is_taken_up_after_a_restart() -> None:
    """A new process that reads the source's past fires when the old one would have."""
    sick = world()
    sick.source.error_rate = 0.2
    now = sick.clock.now
    sick.source.past = [PastReading(now - 300 + 15 * i, 0.2, 900.0) for i in range(20)]
    sick.watch.rebuild(datetime.fromtimestamp(0, UTC))
    sick.run(15)
    assert sick.trigger("error_rate") == "fired"


def test_the_past_before_the_run_is_not_taken_up() -> None:
    """What was broken before a deployment began is not the deployment's doing."""
    sick = world()
    sick.source.error_rate = 0.2
    now = sick.clock.now
    sick.source.past = [PastReading(now - 300 + 15 * i, 0.2, 900.0) for i in range(20)]
    sick.watch.rebuild(datetime.fromtimestamp(now, UTC))
    sick.run(15)
    assert sick.trigger("error_rate") == "pending"


def test_a_past_of_errors_does_not_fire_without_data_now() -> None:
    """A trigger fires on a breach that was read in the same tick; until then the past only makes it pending."""
    sick = world()
    sick.source.error_rate, sick.source.silent = 0.2, True
    now = sick.clock.now
    sick.source.past = [PastReading(now - 330 + 15 * i, 0.2, 900.0) for i in range(23)]
    sick.watch.rebuild(datetime.fromtimestamp(0, UTC))
    sick.watch.tick()
    assert sick.verdict(Metric.ERROR_RATE) is MetricVerdict.NO_DATA
    assert sick.trigger("error_rate") == "pending"
    sick.source.silent = False
    sick.run(15)
    assert sick.trigger("error_rate") == "fired"


def test_data_that_disappears_takes_the_fired_trigger_back_to_pending() -> None:
    """What fired with the last tick does not fire on by itself."""
    sick = world()
    sick.source.error_rate = 0.2
    sick.run(330)
    assert sick.trigger("error_rate") == "fired"
    sick.source.silent = True
    sick.run(15)
    assert sick.trigger("error_rate") == "pending"


def test_the_past_ends_where_the_current_reading_was_evaluated() -> None:
    """Instant and range readings of a tick have one evaluation time, that of the source."""
    sick = world()
    sick.source.behind = 7.0
    sick.watch.rebuild(datetime.fromtimestamp(0, UTC))
    sick.watch.tick()
    sick.run(30)
    [(_, until)] = sick.source.asked
    assert until == sick.clock.now - 30


def test_a_past_that_cannot_be_read_is_read_with_the_next_tick() -> None:
    """A source that is away at first loses nothing."""
    sick = world()
    sick.source.error_rate, sick.source.broken = 0.2, "away"
    now = sick.clock.now
    sick.source.past = [PastReading(now - 300 + 15 * i, 0.2, 900.0) for i in range(20)]
    sick.watch.rebuild(datetime.fromtimestamp(0, UTC))
    sick.watch.tick()
    sick.source.broken = ""
    sick.run(15)
    assert sick.trigger("error_rate") == "fired"


QUICK = Monitor.model_validate({"for": "1s", "every": "10ms"})
NERVOUS = Thresholds(
    error_rate=ErrorRateThreshold(warning=0.01, critical=0.05, rollback_after=timedelta(seconds=-1))
)


def test_an_armed_watch_raises_the_alarm() -> None:
    """The trigger surfaces in whoever waits on the pulse, and its connections are closed at the end."""
    sick = world(settings=QUICK, thresholds=NERVOUS)
    sick.source.error_rate = 0.2
    pulse = Pulse()
    with pytest.raises(TriggerFired, match="error_rate"), sick.watch.armed(pulse):
        pulse.wait(lambda: None, 5, what="the alarm")
    assert sick.source.closed == 1


def test_within_the_cooldown_a_trigger_fires_once() -> None:
    """Ticks after the first alarm are quiet until the cooldown is over."""
    sick = world(settings=QUICK, thresholds=NERVOUS)
    sick.source.error_rate = 0.2
    first = Pulse()
    ticks: list[Tick] = []
    with sick.watch.armed(first, observe=ticks.append):
        while len(ticks) < 2:
            time.sleep(0.005)
    second = Pulse()
    more: list[Tick] = []
    with sick.watch.armed(second, observe=more.append):
        while len(more) < 3:
            time.sleep(0.005)
    second.check()
    sick.clock.now += 601
    with sick.watch.armed(second), pytest.raises(TriggerFired):
        second.wait(lambda: None, 5, what="the alarm")


def test_a_watch_that_breaks_is_inconclusive_not_quiet() -> None:
    """A bug in the monitor ends the run's claim to be watched."""
    odd = world(settings=QUICK)
    odd.source.read = lambda: {}[0]  # type: ignore[method-assign, index]
    pulse = Pulse()
    with pytest.raises(Inconclusive, match="The monitor failed"), odd.watch.armed(pulse):
        pulse.wait(lambda: None, 5, what="the alarm")


def test_slow_traffic_does_not_slow_the_watch() -> None:
    """Requests that hang are not waited for, and no second round begins beside them."""
    quiet = world(settings=QUICK)
    quiet.source.requests = 0
    gate, rounds = threading.Event(), []

    def hang(requests: int) -> None:
        rounds.append(requests)
        gate.wait(30)

    quiet.paths.traffic = hang  # type: ignore[method-assign]
    under_way = time.monotonic()
    for _ in range(5):
        quiet.watch.tick()
    assert time.monotonic() - under_way < 30
    gate.set()
    quiet.watch.close()
    assert len(rounds) == 1
