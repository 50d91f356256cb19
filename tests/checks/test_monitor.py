"""The monitoring step and the check of queries: what a time of watching comes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from cartctl.adapters.log_lines import LogLine
from cartctl.adapters.metrics.source import Metric, PastReading, Reading
from cartctl.checks.log_errors import LogErrors
from cartctl.checks.monitor import Course, Monitor
from cartctl.checks.queries import Queries
from cartctl.config.model.environment import Thresholds
from cartctl.config.model.monitoring import Logs
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.logs import LogRules
from cartctl.monitoring.thresholds import MetricVerdict, rules_of
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.triggers import TriggerFired
from cartctl.monitoring.watch import Watch
from tests.metrics_double import WithoutHistory

START = datetime(2026, 1, 6, 2, tzinfo=UTC)


def tick(second: float, **verdicts: MetricVerdict) -> Tick:
    """A look at so many seconds after the start; every metric ok but those named."""
    measures = tuple(
        Measure(metric, 0.5, "share", verdicts.get(metric.value, MetricVerdict.OK), "why")
        for metric in Metric
    )
    return Tick(START + timedelta(seconds=second), measures, ())


@dataclass
class Written:
    """A log that holds these lines, told once."""

    lines: list[LogLine]

    def read(self) -> list[LogLine]:
        """All that are there."""
        result = self.lines[:]
        self.lines.clear()
        return result


@dataclass
class Script:
    """Stands in for a watch: one tick per second of a clock that only sleeping moves."""

    looks: Callable[[int], Tick | None]
    blind_from: float = 1e9
    now: float = 0.0
    blind_limit: float = 5.0
    sustained: float = 5.0
    lines: list[LogLine] = field(default_factory=list)

    @property
    def latest(self) -> Tick | None:
        """The look of this second."""
        return self.looks(int(self.now))

    @property
    def blind_for(self) -> float:
        """Since when nothing was seen."""
        return max(0.0, self.now - self.blind_from)

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def judge(
        self, seconds: float = 20, message: list[tuple[float, float, str]] | None = None
    ) -> dict[str, tuple[Verdict, Any]]:
        """The step's results by metric."""
        pulse = Pulse(clock=lambda: self.now, sleep=self.sleep)
        if message is not None:
            pulse.progress = lambda done, total, unit: message.append((done, total, unit))
        logs = LogErrors(lambda: Written(self.lines), LogRules.of(Logs(errors_per_minute=2)))
        checks = Monitor("monitor", cast("Watch", self), timedelta(seconds=seconds), logs).judge(pulse)
        return {check.name: (check.verdict, check.observed) for check in checks.checks}


def test_a_quiet_time_passes_with_every_metric() -> None:
    """One result per metric and one of the logs, and the whole time is waited for."""
    script = Script(tick)
    messages: list[tuple[float, float, str]] = []
    result = script.judge(20, messages)
    passed = dict.fromkeys((*Metric, "logs"), Verdict.PASS)
    assert {name: verdict for name, (verdict, _) in result.items()} == passed
    assert script.now >= 20
    assert messages[0] == (0, 20, "s")
    assert messages[-1] == (20, 20, "s")


def test_a_warning_in_between_warns() -> None:
    """What was above its warning threshold at any time is told at the end."""
    result = Script(
        lambda s: tick(s, api_latency_p95=MetricVerdict.WARNING if s == 7 else MetricVerdict.OK)
    ).judge()
    assert result["api_latency_p95"][0] is Verdict.WARN
    assert result["error_rate"][0] is Verdict.PASS


@pytest.mark.parametrize(
    ("since", "expected"), ((18, Verdict.WARN), (15, Verdict.WARN), (13, Verdict.FAIL), (0, Verdict.FAIL))
)
def test_a_critical_value_that_stays_fails(since: int, expected: Verdict) -> None:
    """A spike warns; critical until the end, for longer than a trigger would take, is a failure."""
    result = Script(
        lambda s: tick(s, api_latency_p95=MetricVerdict.CRITICAL if s >= since else MetricVerdict.OK)
    ).judge()
    assert result["api_latency_p95"][0] is expected


def test_the_worst_value_is_reported() -> None:
    """Of several that warned, the highest."""
    course = Course()
    for second, value in enumerate((0.6, 0.9, 0.7)):
        course.see(
            Tick(
                START + timedelta(seconds=second),
                (Measure(Metric.API_LATENCY_P95, value, "s", MetricVerdict.WARNING),),
                (),
            )
        )
    [result] = course.judge(5).checks
    assert "700 ms, peak 900 ms" in str(result.observed)


def test_a_critical_value_that_went_warns() -> None:
    """What has recovered by the end is a warning."""
    result = Script(
        lambda s: tick(s, api_latency_p95=MetricVerdict.CRITICAL if s < 12 else MetricVerdict.OK)
    ).judge()
    assert result["api_latency_p95"][0] is Verdict.WARN


@pytest.mark.parametrize("verdict", (MetricVerdict.NO_DATA, MetricVerdict.ERROR))
def test_a_metric_that_cannot_be_judged_at_the_end_is_unknown(verdict: MetricVerdict) -> None:
    """The step passes only when every metric could be judged."""
    result = Script(lambda s: tick(s, db_latency_p95=verdict if s > 17 else MetricVerdict.OK)).judge()
    assert result["db_latency_p95"][0] is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("before", "verdict"),
    (
        (MetricVerdict.OK, Verdict.WARN),
        (MetricVerdict.CRITICAL, Verdict.FAIL),  # nobody is left, because nothing works
        (MetricVerdict.LOW_TRAFFIC, Verdict.UNKNOWN),
        (MetricVerdict.NO_DATA, Verdict.UNKNOWN),
    ),
)
def test_little_traffic_at_the_end(before: MetricVerdict, verdict: Verdict) -> None:
    """It warns, as at every other place, unless the metric was never judged or has been critical since."""
    result = Script(lambda s: tick(s, error_rate=MetricVerdict.LOW_TRAFFIC if s > 12 else before)).judge()
    assert result["error_rate"][0] is verdict


def test_errors_in_the_logs_warn_and_the_last_one_is_shown() -> None:
    """More in one minute than is usual: the figures pass, the step warns; secrets in the line are masked."""
    errors = [
        LogLine(f"2026-01-06T02:00:0{n}Z", "payment-api-1", "api", f"ERROR cart {n} password=hunter2")
        for n in range(3)
    ]
    verdict, observed = Script(tick, lines=errors).judge()["logs"]
    assert verdict is Verdict.WARN
    assert "3 errors about carts in the worst minute (2026-01-06T02:00)" in observed
    assert "payment-api-1 ERROR cart 2" in observed
    assert "hunter2" not in observed


def test_a_blind_time_ends_it_early() -> None:
    """Beyond the limit nothing more is waited for."""
    script = Script(tick, blind_from=3)
    result = script.judge(1000)
    assert result["monitor"][0] is Verdict.UNKNOWN
    assert script.now < 10


def test_blindness_before_the_step_does_not_count() -> None:
    """What could not be measured before the release is no reason to give up at once."""
    script = Script(tick, now=100, blind_from=0)
    script.judge(4)
    assert script.now >= 104


def test_an_earlier_sample_does_not_count() -> None:
    """At least one look must be of the step's own time."""
    old = tick(0, error_rate=MetricVerdict.CRITICAL)
    result = Script(lambda s: old if s < 6 else tick(s)).judge(3)
    assert result["error_rate"][0] is Verdict.PASS


def test_no_sample_at_all_is_unknown() -> None:
    """A watch that never says anything ends at the limit of blindness."""
    script = Script(lambda _: None, blind_from=0)
    assert script.judge(1)["monitor"][0] is Verdict.UNKNOWN


def test_a_trigger_surfaces_at_once() -> None:
    """The alarm ends the wait."""
    script = Script(tick)

    def sleep(seconds: float) -> None:
        script.sleep(seconds)
        pulse.alarm(TriggerFired("x"))

    pulse = Pulse(clock=lambda: script.now, sleep=sleep)
    monitor = Monitor(
        "monitor",
        cast("Watch", script),
        timedelta(minutes=30),
        LogErrors(lambda: None, LogRules.of(Logs(errors_per_minute=10))),
    )
    with pytest.raises(TriggerFired):
        monitor.judge(pulse)
    assert script.now < 1


def test_one_sample_is_judged_by_itself() -> None:
    """`monitor --once`: critical now fails, ok passes."""
    for verdict, expected in (
        (MetricVerdict.OK, Verdict.PASS),
        (MetricVerdict.WARNING, Verdict.WARN),
        (MetricVerdict.CRITICAL, Verdict.FAIL),
    ):
        course = Course()
        course.see(tick(0, error_rate=verdict))
        assert course.judge(-1.0).verdict is expected


class Source(WithoutHistory):
    """Answers what it is given."""

    window = 60.0

    def __init__(self, **changes: dict[str, Any]) -> None:
        self.changes = changes

    def read(self) -> Mapping[Metric, Reading]:
        """Good readings, but for the changes."""
        tops = {Metric.API_LATENCY_P95: 10.0, Metric.DB_LATENCY_P95: 2.5}
        return {
            metric: replace(
                Reading(metric, 0.001, 5.0, 0.0, requests=900.0, top_bucket=tops.get(metric)),
                **self.changes.get(metric.value, {}),
            )
            for metric in Metric
        }

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("change", "expected", "expected_text"),
    (
        ({}, Verdict.PASS, "1 ms"),
        ({"value": 9.0}, Verdict.PASS, "9"),
        ({"top_bucket": 1.0}, Verdict.FAIL, "ends at 1 s"),
        ({"top_bucket": 1.0, "requests": 0.0}, Verdict.FAIL, "ends at 1 s"),
        ({"top_bucket": None}, Verdict.FAIL, "are unknown"),
        ({"series": 0, "value": None}, Verdict.FAIL, "no series"),
        ({"series": 3}, Verdict.FAIL, "3 series"),
        ({"age": 500.0}, Verdict.FAIL, "500 s old"),
        ({"error": "refused"}, Verdict.FAIL, "refused"),
        ({"requests": 3.0}, Verdict.WARN, "3 requests"),
    ),
)
def test_queries_are_refused_when_they_cannot_decide(
    change: dict[str, Any], expected: Verdict, expected_text: str
) -> None:
    """Data, freshness, one series, and a histogram that reaches the critical threshold; the figure itself is not judged."""
    rules = rules_of(Thresholds(), staleness=60, minimum_requests=50)
    checks = Queries("queries", Source(api_latency_p95=change), None, rules, settle=0).judge(Pulse())
    results = {check.name: check for check in checks.checks}
    assert results["api_latency_p95"].verdict is expected
    assert expected_text in str(results["api_latency_p95"].observed)
    assert results["error_rate"].verdict is Verdict.PASS
