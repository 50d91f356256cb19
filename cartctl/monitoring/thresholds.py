"""Evaluates a reading against the thresholds: a pure function."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.config.model.environment import Thresholds
from cartctl.measurements import latency, measured


class MetricVerdict(StrEnum):
    """The verdict on a reading. Only the first three are decisions; the others never count as ok."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    LOW_TRAFFIC = "low-traffic"
    NO_DATA = "no-data"
    ERROR = "error"

    @property
    def decided(self) -> bool:
        """Whether the metric could be evaluated."""
        return self in {MetricVerdict.OK, MetricVerdict.WARNING, MetricVerdict.CRITICAL}

    @property
    def blind(self) -> bool:
        """Whether there was no usable data; too little traffic is not blindness."""
        return self in {MetricVerdict.NO_DATA, MetricVerdict.ERROR}


@dataclass(frozen=True, slots=True)
class Limits:
    """One metric's bounds in its own unit (seconds, or a share 0..1); a breach is strictly above."""

    unit: str
    warning: float
    critical: float
    rate: bool  # computed over requests, so that too few of them decide nothing
    histogram: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """The evaluation rules: limits per metric, maximum age of a sample (seconds) and minimum requests."""

    limits: Mapping[Metric, Limits]
    staleness: float
    minimum_requests: int


def rules_of(thresholds: Thresholds, *, staleness: float, minimum_requests: int) -> Rules:
    """The rules of an environment's thresholds."""
    share, db, api = thresholds.db_connections, thresholds.db_latency_p95, thresholds.api_latency_p95
    rate = thresholds.error_rate
    limits = {
        Metric.DB_CONNECTIONS: Limits("share", share.warning, share.critical, rate=False),
        Metric.DB_LATENCY_P95: Limits(
            "s", db.warning.total_seconds(), db.critical.total_seconds(), rate=True, histogram=True
        ),
        Metric.ERROR_RATE: Limits("share", rate.warning, rate.critical, rate=True),
        Metric.API_LATENCY_P95: Limits(
            "s", api.warning.total_seconds(), api.critical.total_seconds(), rate=True, histogram=True
        ),
    }
    return Rules(limits, staleness, minimum_requests)


def judge(reading: Reading, rules: Rules) -> tuple[MetricVerdict, str]:
    """The verdict on one reading and, if not ok, the reason."""
    if reading.error:
        return MetricVerdict.ERROR, reading.error
    if missing := _missing(reading, rules):
        return MetricVerdict.NO_DATA, missing
    limits = rules.limits[reading.metric]
    if limits.rate and (low := _traffic(reading, rules)):
        return low
    return _value(reading, limits)


def _missing(reading: Reading, rules: Rules) -> str:
    """Why a reading has no usable data, or an empty string."""
    if reading.partial:
        return reading.partial
    if reading.series != 1:
        return f"{reading.series} series, expected one" if reading.series else "no series"
    if reading.age is None or not math.isfinite(reading.age):
        return "no fresh sample"
    if round(reading.age, 3) < 0:
        return f"the newest sample is {-reading.age:.0f} s in the future by the source's clock"
    if reading.age > rules.staleness:
        return f"the newest sample is {reading.age:.0f} s old; the limit is {rules.staleness:g} s"
    return ""


def _traffic(reading: Reading, rules: Rules) -> tuple[MetricVerdict, str] | None:
    requests = reading.requests
    if requests is None or not math.isfinite(requests):
        if not rules.minimum_requests:
            return None
        return MetricVerdict.NO_DATA, "the number of requests is unknown"
    if requests < rules.minimum_requests:
        return (
            MetricVerdict.LOW_TRAFFIC,
            f"{requests:.0f} requests in the window; {rules.minimum_requests} are required",
        )
    return None


def _value(reading: Reading, limits: Limits) -> tuple[MetricVerdict, str]:
    value, top = reading.value, reading.top_bucket
    if value is None or not math.isfinite(value) or value < 0:
        return MetricVerdict.NO_DATA, f"the value is {value}"
    if limits.histogram and (why := cannot_decide(top, limits)):
        return MetricVerdict.NO_DATA, why
    # A p95 above the last boundary reads as that boundary: at the critical threshold it must count as critical.
    saturated = limits.histogram and top is not None and top == limits.critical and value >= top
    if saturated or _above(value, limits.critical):
        return MetricVerdict.CRITICAL, f"above {measured(limits.critical, limits.unit)}"
    if _above(value, limits.warning):
        return MetricVerdict.WARNING, f"above {measured(limits.warning, limits.unit)}"
    return MetricVerdict.OK, ""


def _above(value: float, bound: float) -> bool:
    """Strictly above, tolerating rounding errors."""
    return value > bound and not math.isclose(value, bound, rel_tol=1e-9)


def cannot_decide(top_bucket: float | None, limits: Limits) -> str:
    """Why a histogram with this highest boundary (seconds) cannot show a critical value, or an empty string."""
    if top_bucket is None:
        return "the histogram's boundaries are unknown"
    if top_bucket < limits.critical:
        return f"the histogram ends at {latency(top_bucket)}, below the critical {latency(limits.critical)}"
    return ""
