"""Whether each metric that the monitor will judge can be measured, and whether it is within its thresholds now."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from cartctl.adapters.metrics.source import MetricsSource, Reading
from cartctl.checks.metric_verdicts import VERDICTS
from cartctl.checks.results import failed, passed, warned
from cartctl.config.model.environment import Environment
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.measurements import measured
from cartctl.monitoring.thresholds import Limits, MetricVerdict, Rules, judge, rules_of

PROBES = 10
SETTLE = 0.3  # seconds between the probes and the second look
SCRAPES, SCRAPE = 3, 1.0  # looks after a scrape that failed, and the seconds before each


def rules_for(env: Environment) -> Rules:
    """The environment's thresholds. A sample counts for four scrapes, at least a minute."""
    every = env.metrics.scrape_interval.total_seconds() if env.metrics else 0.0
    return rules_of(
        env.thresholds, staleness=max(4 * every, 60.0), minimum_requests=env.monitor.minimum_requests
    )


def check_metrics(
    source: MetricsSource | None, probe: Callable[[int], None], rules: Rules, pulse: Pulse
) -> Iterator[CheckResult]:
    """Each query returns fresh data within the thresholds; `probe` sends so many requests where there is no traffic. Read-only."""
    if source is None:
        hint = "Set metrics.kind: without metrics, monitoring is always inconclusive."
        yield warned("metrics", "not configured", "a metrics source", hint)
        return
    readings = source.read()
    if any(_quiet(reading) for reading in readings.values()):
        probe(PROBES)
        pulse.pause(SETTLE)
        readings = source.read()
    for _ in range(SCRAPES):
        if not any(map(_was_missed, readings.values())):
            break
        pulse.pause(SCRAPE)
        readings = source.read()
    for metric, reading in readings.items():
        yield _verdict_of(f"metrics.{metric.value}", reading, rules)


def _verdict_of(name: str, reading: Reading, rules: Rules) -> CheckResult:
    fresh = f"one sample, at most {rules.staleness:g} s old"
    if reading.error:
        return failed(name, reading.error, fresh, "Check metrics.url and metrics.queries.")
    if reading.series > 1:
        return failed(name, f"{reading.series} series", fresh, "Aggregate the query to one series.")
    if reading.age is not None and reading.age > rules.staleness:
        hint = "Check that the source still scrapes the application."
        return failed(name, f"the newest sample is {reading.age:.0f} s old", fresh, hint)
    if reading.value is None or not math.isfinite(reading.value):
        hint = "The monitor sends its own traffic; without any traffic, there may be nothing to measure."
        return warned(name, "low traffic: no value yet", fresh, hint)
    return _within(name, reading, reading.value, rules)


def _within(name: str, reading: Reading, value: float, rules: Rules) -> CheckResult:
    """The value judged by its thresholds; one over few requests warns at most."""
    limits = rules.limits[reading.metric]
    verdict, reason = judge(reading, replace(rules, minimum_requests=0))
    observed, expected = _observed(reading, value, limits), f"at most {_bounds(limits)}"
    if verdict is MetricVerdict.OK:
        return passed(name, observed, expected)
    if not verdict.decided:
        return failed(name, f"{observed}: {reason}", expected, "See: cartctl monitor --check-queries")
    hint = f"Find out why it is {verdict} before the deployment makes it worse."
    few = limits.rate and reading.requests is not None and reading.requests < rules.minimum_requests
    if few or VERDICTS[verdict] is Verdict.WARN:
        return warned(name, f"{observed}, {verdict}", expected, hint)
    return failed(name, f"{observed}, {verdict}", expected, hint)


def _observed(reading: Reading, value: float, limits: Limits) -> str:
    parts = [reading.detail] if reading.detail else []
    if limits.rate and reading.requests is not None and math.isfinite(reading.requests):
        parts.append(f"{reading.requests:.0f} requests")
    return measured(value, limits.unit) + (f" ({', '.join(parts)})" if parts else "")


def _bounds(limits: Limits) -> str:
    critical = measured(limits.critical, limits.unit)
    return f"{measured(limits.warning, limits.unit)}, critical above {critical}"


def _was_missed(reading: Reading) -> bool:
    """There are samples in the window, but the newest scrape failed: a busy target answers the next one."""
    return not reading.error and reading.value is not None and reading.age is None


def _quiet(reading: Reading) -> bool:
    """Nothing to measure, as distinct from not measured: no error, and no usable figure."""
    usable = reading.value is not None and math.isfinite(reading.value)
    return not reading.error and reading.series <= 1 and not usable
