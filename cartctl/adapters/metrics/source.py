"""The plug point for whatever measures the application: Prometheus, or cartctl's own scraping of the API's pods.

A source only measures. What a reading means is judged in `cartctl.monitoring.thresholds`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cartctl.errors import CartctlError, StepFailed


class MetricsFailed(StepFailed):
    """A source did not answer, or answered with an error or a warning."""

    code = "metrics_failed"


class Metric(StrEnum):
    """The figures of the plan's table of thresholds."""

    DB_CONNECTIONS = "db_connections"  # share of the pool, 0..1
    DB_LATENCY_P95 = "db_latency_p95"  # seconds
    ERROR_RATE = "error_rate"  # share of 5xx, 0..1
    API_LATENCY_P95 = "api_latency_p95"  # seconds


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric as measured, nothing judged.

    `value` may be NaN or infinite as the source gave it. `at` is when the newest sample behind it was taken (seconds since
    1970) and `age` how old that was on the source's own clock, in seconds; both None when the source does not know.
    """

    metric: Metric
    value: float | None = None
    at: float | None = None
    age: float | None = None
    series: int = 1  # how many series answered; exactly one is expected
    requests: float | None = None  # observations in the rate window; None for what is no rate
    top_bucket: float | None = None  # a histogram's highest finite boundary, in seconds
    error: str = ""  # why it could not be measured
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PastReading:
    """The error rate at a time gone by: sample time in seconds since 1970, value, requests in the rate window."""

    at: float
    value: float | None
    requests: float | None


class MetricsSource(Protocol):
    """Measures all metrics in one look."""

    window: float  # seconds a rate is taken over

    def read(self) -> Mapping[Metric, Reading]:
        """Every metric; one that could not be measured says why in its `error`. Read-only."""

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """The error rate between two times (seconds since 1970), oldest first; empty when the source has no history. Read-only.

        Raises MetricsFailed.
        """

    def close(self) -> None:
        """Let go of connections."""


def measured(metric: Metric, measure: Callable[[], Reading]) -> Reading:
    """What `measure` reads, or a reading that carries the error's sentence."""
    try:
        return measure()
    except CartctlError as error:
        return Reading(metric, series=0, error=error.message)
