"""What a monitor must survive, evaluated by a real Prometheus over a written history of five replicas."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from cartctl.adapters.metrics.prometheus import PrometheusSource
from cartctl.adapters.metrics.source import Metric
from cartctl.config.model.environment import Monitor, Thresholds
from cartctl.monitoring.recording import Observation
from cartctl.monitoring.replay import MetricReplay, Replay, replay
from cartctl.monitoring.thresholds import MetricVerdict, rules_of
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.triggers import Interval, SpanRule
from cartctl.monitoring.watch import Watch
from tests.prometheus import prometheus
from tests.prometheus_history import EVERY, Behaviour, Served, application, openmetrics

MINUTE = 60.0
LENGTH = 30 * MINUTE  # of a scenario
APART = 45 * MINUTE  # so that no rate and no staleness reaches from one into the next
RULES = rules_of(Thresholds(), staleness=60, minimum_requests=50)
SPAN = SpanRule(limit=300, max_gap=60, window=60)
BEGIN = 5 * MINUTE  # of what goes wrong in a scenario


def healthy(_: float, __: int) -> Served:
    """Nothing has ever failed: there is no series of 5xx."""
    return Served({"200": 30})


def quiet_night(at: float, number: int) -> Served:
    """A request a minute, half of them failing."""
    wakes = number == 0 and at % 60 < EVERY
    return Served({"500" if at % 120 < 60 else "200": 1} if wakes else {})


def burst(at: float, _: int) -> Served:
    """Everything fails for 40 seconds."""
    return Served({"500": 30} if BEGIN <= at < BEGIN + 40 else {"200": 30})


def maintenance(at: float, _: int) -> Served:
    """Twenty minutes of 503."""
    return Served({"503": 30} if BEGIN <= at < BEGIN + 20 * MINUTE else {"200": 30})


def resets(at: float, number: int) -> Served:
    """Every replica restarts every two minutes, one after another; one request in a hundred fails."""
    restarted = (at + 24 * number) % 120 < EVERY
    return Served({"200": 99, "500": 1} if not restarted else {"200": 99}, restarted=restarted)


def failing_resets(at: float, number: int) -> Served:
    """The same, but a tenth fails."""
    return Served({"200": 90, "500": 10}, restarted=(at + 24 * number) % 120 < EVERY)


def one_of_five(at: float, number: int) -> Served:
    """One replica fails all its requests."""
    return Served({"500": 30} if number == 3 and at >= BEGIN else {"200": 30})


def one_is_gone(at: float, number: int) -> Served:
    """One replica can no longer be scraped."""
    return Served({"200": 30}, up=number != 3 or at < BEGIN)


def unscraped(at: float, _: int) -> Served:
    """Nobody is scraped for ten minutes."""
    return Served({"200": 30}, up=not BEGIN <= at < BEGIN + 10 * MINUTE)


SCENARIOS: dict[str, Behaviour] = {
    each.__name__: each
    for each in (
        healthy,
        quiet_night,
        burst,
        maintenance,
        resets,
        failing_resets,
        one_of_five,
        one_is_gone,
        unscraped,
    )
}
START = (time.time() // 60) * 60 - (len(SCENARIOS) + 1) * APART


def begin(name: str) -> float:
    """When a scenario begins, in seconds since 1970."""
    return START + list(SCENARIOS).index(name) * APART


@pytest.fixture(scope="module")
def source() -> Iterator[PrometheusSource]:
    """A Prometheus with all scenarios, one after another."""
    samples = [
        sample
        for name, behaviour in SCENARIOS.items()
        for sample in application(begin(name), begin(name) + LENGTH, behaviour)
    ]
    with prometheus(history=openmetrics(samples)) as url:
        made = PrometheusSource(url)
        yield made
        made.close()


def watched(source: PrometheusSource, name: str, intervals: Sequence[Interval] = ()) -> Replay:
    """What a monitor that begins two minutes into the scenario would have reported until its end."""
    history = source.history(begin(name) + 2 * MINUTE, begin(name) + LENGTH, EVERY)
    observations = (Observation(at, readings) for at, readings in history)
    return replay(
        observations, RULES, SPAN, critical_failures=3, cooldown=600, blind_limit=300, maintenance=intervals
    )


def metric(result: Replay, name: Metric = Metric.ERROR_RATE) -> MetricReplay:
    """One metric's part."""
    return next(one for one in result.metrics if one.name is name)


def test_an_api_without_any_5xx_series_is_ok(source: PrometheusSource) -> None:
    """All the time, and its latencies too."""
    result = watched(source, "healthy")
    assert (result.fired, result.is_blind) == ((), False)
    for name in (Metric.ERROR_RATE, Metric.API_LATENCY_P95, Metric.DB_LATENCY_P95):
        assert metric(result, name).verdicts == {MetricVerdict.OK: result.samples}
    assert metric(result).peak == 0


def test_a_quiet_night_is_low_traffic_and_neither_blind_nor_an_outage(source: PrometheusSource) -> None:
    """Half of a handful of requests failing proves nothing."""
    result = watched(source, "quiet_night")
    assert (result.fired, result.longest_blind_seconds) == ((), 0)
    assert set(metric(result).verdicts) == {MetricVerdict.LOW_TRAFFIC}
    assert result.is_blind  # nothing could be concluded


def test_a_burst_of_40_seconds_fires_nothing(source: PrometheusSource) -> None:
    """It is critical for as long as it is in the window, and no longer."""
    result = watched(source, "burst")
    assert result.fired == ()
    critical = metric(result).verdicts[MetricVerdict.CRITICAL]
    assert 40 <= critical * EVERY <= 40 + 60 + 2 * EVERY
    assert metric(result).verdicts[MetricVerdict.OK] > 70


def test_a_maintenance_of_20_minutes_fires_nothing(source: PrometheusSource) -> None:
    """If it is our own; 20 minutes of 503 of anybody else fire, and go on firing after the cooldown."""
    at = begin("maintenance") + BEGIN
    ours = [Interval(at - 5, at + 20 * MINUTE + EVERY)]
    assert watched(source, "maintenance", ours).fired == ()
    assert len(watched(source, "maintenance").fired) == 2


def test_counters_that_restart_are_no_errors(source: PrometheusSource) -> None:
    """Each replica begins at zero every two minutes; the rate stays what it is."""
    result = watched(source, "resets")
    assert (result.fired, result.longest_blind_seconds) == ((), 0)
    peak = metric(result).peak
    assert peak is not None
    assert 0 <= peak < 0.03
    assert metric(result).verdicts.get(MetricVerdict.CRITICAL, 0) == 0


def test_counters_that_restart_hide_no_errors(source: PrometheusSource) -> None:
    """A tenth of failures fires as soon as the first samples of the monitor are five minutes old."""
    first = watched(source, "failing_resets").fired[0]
    assert 0 <= first.at.timestamp() - (begin("failing_resets") + 2 * MINUTE) - 300 <= 2 * EVERY


def test_one_failing_replica_of_five_fires(source: PrometheusSource) -> None:
    """A fifth of the requests: within a window and two scrapes after five minutes of it."""
    result = watched(source, "one_of_five")
    assert metric(result).peak == pytest.approx(0.2, abs=0.02)
    late = result.fired[0].at.timestamp() - (begin("one_of_five") + BEGIN) - 300
    assert 0 <= late <= 60 + 2 * EVERY
    assert result.fired[0].for_seconds > 300


def test_a_replica_that_is_gone_does_not_blind(source: PrometheusSource) -> None:
    """The others are still measured."""
    result = watched(source, "one_is_gone")
    assert (result.fired, result.longest_blind_seconds) == ((), 0)
    assert metric(result).verdicts == {MetricVerdict.OK: result.samples}


def test_ten_minutes_without_scrapes_are_blind(source: PrometheusSource) -> None:
    """From when the newest sample is older than a window."""
    result = watched(source, "unscraped")
    assert result.is_blind
    assert 8 * MINUTE < result.longest_blind_seconds <= 10 * MINUTE
    assert metric(result).verdicts[MetricVerdict.NO_DATA] > 30


@pytest.fixture(scope="module")
def failing() -> Iterator[str]:
    """A Prometheus whose history is that of one failing replica of five, from 20 minutes ago into the future."""
    now = time.time()
    samples = application(
        now - 20 * MINUTE, now + 20 * MINUTE, lambda _, n: Served({"500" if n == 3 else "200": 30})
    )
    with prometheus(history=openmetrics(samples)) as url:
        yield url


def live(url: str, skew: float, *, since: float, ended: float | None = None) -> Tick:
    """The first tick of a monitor whose clock is `skew` seconds ahead; its run began and its maintenance ended so long ago."""

    def clock() -> float:
        return time.time() + skew

    source = PrometheusSource(url)
    watch = Watch(source, None, Thresholds(), Monitor(), clock=clock)
    if ended is not None:
        watch.maintenance_began(datetime.fromtimestamp(clock() - 18 * MINUTE, UTC))
        watch.maintenance_ended(datetime.fromtimestamp(clock() - ended, UTC))
    watch.rebuild(datetime.fromtimestamp(clock() - since, UTC))
    try:
        return watch.tick()
    finally:
        watch.close()


@pytest.mark.parametrize("skew", (-90.0, 0.0, 90.0))
def test_a_restarted_monitor_keeps_its_spans_whatever_its_clock_says(failing: str, skew: float) -> None:
    """It fires with its first sample when the run began long enough ago, and does not when it began just now."""
    tick = live(failing, skew, since=8 * MINUTE)
    error_rate = next(one for one in tick.metrics if one.name is Metric.ERROR_RATE)
    assert (error_rate.verdict, tick.triggers[0].state) == (MetricVerdict.CRITICAL, "fired"), error_rate
    recent = live(failing, skew, since=2 * MINUTE).triggers[0]
    assert recent.state == "pending"
    assert recent.for_seconds <= 2 * MINUTE


@pytest.mark.parametrize("skew", (-90.0, 0.0, 90.0))
def test_maintenance_is_excluded_whatever_the_clock_says(failing: str, skew: float) -> None:
    """The intervals have our time and the samples have the server's."""
    assert live(failing, skew, since=18 * MINUTE, ended=50).triggers[0].state == "clear"
    after = live(failing, skew, since=18 * MINUTE, ended=4 * MINUTE).triggers[0]
    assert after.state == "pending"
    assert 2 * MINUTE < after.for_seconds <= 3 * MINUTE
    assert live(failing, skew, since=18 * MINUTE, ended=8 * MINUTE).triggers[0].state == "fired"
