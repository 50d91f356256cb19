"""Whether every figure that the monitor will judge can be measured."""

import math
from collections.abc import Callable, Iterator

from cartctl.adapters.metrics.source import MetricsSource, Reading
from cartctl.checks.preflight.look import failed, passed, warned
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse

PROBES = 10
SETTLE = 0.3  # seconds between the probes and the second look


def look_at_metrics(
    source: MetricsSource | None, probe: Callable[[int], None], staleness: float, pulse: Pulse
) -> Iterator[CheckResult]:
    """Each query answers with fresh data; `probe` sends so many requests where there is no traffic. Read-only.

    `staleness` is the age in seconds above which a sample no longer counts.
    """
    if source is None:
        hint = "Set metrics.kind: without metrics every monitoring is inconclusive."
        yield warned("metrics", "not configured", "a metrics source", hint)
        return
    readings = source.read()
    if any(_quiet(reading) for reading in readings.values()):
        probe(PROBES)
        pulse.pause(SETTLE)
        readings = source.read()
    for metric, reading in readings.items():
        yield _judged(f"metrics.{metric.value}", reading, staleness)


def _judged(name: str, reading: Reading, staleness: float) -> CheckResult:
    expected = f"one sample at most {staleness:g} s old"
    if reading.error:
        return failed(name, reading.error, expected, "Check metrics.url and metrics.queries.")
    if reading.series > 1:
        return failed(name, f"{reading.series} series", expected, "Aggregate the query to one series.")
    if reading.age is not None and reading.age > staleness:
        hint = "Check that the source still scrapes the application."
        return failed(name, f"the newest sample is {reading.age:.0f} s old", expected, hint)
    if _quiet(reading):
        hint = "The monitor sends its own traffic; without any there may be nothing to measure."
        return warned(name, "low traffic: no value yet", expected, hint)
    return passed(name, f"{reading.value:.4g}" + (f" ({reading.detail})" if reading.detail else ""), expected)


def _quiet(reading: Reading) -> bool:
    """Nothing to measure, as distinct from not measured: no error, and no usable figure."""
    usable = reading.value is not None and math.isfinite(reading.value)
    return not reading.error and reading.series <= 1 and not usable
