"""The extension point for metrics sources: Prometheus, or cartctl's own scraping of the API's pods.

A source only measures; `cartctl.monitoring.thresholds` evaluates the readings.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cartctl.errors import CartctlError, StepFailed


class MetricsFailed(StepFailed):
    """A source did not respond, or answered with an error or a warning."""

    code = "metrics_failed"


class MetricsPartial(MetricsFailed):
    """A source's response lacks the data of one of its parts."""

    code = "metrics_partial"


class QueryInvalid(MetricsFailed):
    """A source cannot parse a query."""

    code = "query_invalid"


class Metric(StrEnum):
    """The metrics of the plan's table of thresholds."""

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
    series: int = 1  # number of series; exactly one is expected
    requests: float | None = None  # observations in the rate window; None for what is no rate
    top_bucket: float | None = None  # a histogram's highest finite boundary, in seconds
    error: str = ""  # why it could not be measured
    detail: str = ""
    partial: str = ""  # why the response does not count, although it has values


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What one query of a metrics source gives now.

    `value` is that of its only series; `interval` the seconds between two samples of a series, None where unknown;
    `refused` is set where the source cannot parse the query, with its reason in `error`.
    """

    query: str
    series: int = 0
    value: float | None = None
    interval: float | None = None
    error: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class PastReading:
    """The error rate at a time in the past: sample time in seconds since 1970, value, requests in the rate window."""

    at: float
    value: float | None
    requests: float | None


class MetricsSource(Protocol):
    """Measures all metrics in one call."""

    window: float  # seconds a rate is taken over

    def read(self) -> Mapping[Metric, Reading]:
        """Every metric; one that could not be measured says why in its `error`. Read-only."""

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """The error rate between two times (seconds since 1970), oldest first; empty when the source has no history. Read-only.

        Raises MetricsFailed.
        """

    def history(
        self, since: float, until: float, step: float
    ) -> Iterator[tuple[float, Mapping[Metric, Reading]]]:
        """The readings of every `step` seconds between two times, oldest first; empty for a source without history. Read-only.

        Raises MetricsFailed.
        """

    def query_facts(self) -> Mapping[str, QueryFacts]:
        """Every query by its name, with its result; empty for a source without queries. Read-only."""

    def close(self) -> None:
        """Close the connections."""


def measured(metric: Metric, measure: Callable[[], Reading]) -> Reading:
    """What `measure` reads, or a reading that carries the error's sentence."""
    try:
        return measure()
    except MetricsPartial as partial:
        return Reading(metric, series=0, partial=partial.message)
    except CartctlError as error:
        return Reading(metric, series=0, error=error.message)
