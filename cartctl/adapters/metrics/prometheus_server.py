"""A Prometheus server through its API client: instant and range queries that end at a deadline, with their errors."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from cartctl.adapters.http.client import Access, Http
from cartctl.adapters.metrics.prometheus_response import (
    QueryRefused,
    ResponseInvalid,
    ResponsePartial,
    Series,
    instant,
    only_range,
)
from cartctl.adapters.metrics.source import MetricsFailed, MetricsPartial, QueryInvalid
from cartctl.adapters.metrics.transport import carry
from cartctl.errors import CartctlError
from cartctl.redaction import mask

T = TypeVar("T")

MAX_SECONDS = 120.0  # seconds of any request


class PrometheusServer:
    """Prometheus, or a server with its API, at `url`. Each call ends at `end`, a moment of `time.monotonic`. Thread-safe.

    Every method raises MetricsFailed, MetricsPartial for a response without a part of the data, and QueryInvalid.
    """

    def __init__(self, url: str, access: Access | None) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._client = PrometheusConnect(self._url, session=self._session, retry=0)
        carry(self._session, Http(url, timeout=MAX_SECONDS, access=access))

    def time(self, end: float) -> float:
        """The server's own time, in seconds since 1970."""
        now = self.instant("time()", end)
        if len(now) != 1 or now[0].at is None:
            raise self.failure("it does not report its time")
        return now[0].at

    def instant(
        self,
        query: str,
        end: float,
        moment: float | None = None,
        parse: Callable[[list[Any]], list[Series]] = instant,
    ) -> list[Series]:
        """The series of a query, evaluated at `moment` (seconds since 1970) or now."""
        params = {} if moment is None else {"time": f"{moment:.3f}"}
        return self._within(
            lambda left: parse(self._client.custom_query(query, params | _limit(left), timeout=left)), end
        )

    def range(
        self, query: str, since: float, until: float, step: float, end: float
    ) -> tuple[int, dict[float, float]]:
        """How many series a query has between two times, and the values of the only one by their time."""
        begin, last = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
        exact = {"start": f"{since:.3f}", "end": f"{until:.3f}"}  # the client rounds to seconds

        def measure(left: float) -> tuple[int, dict[float, float]]:
            result = self._client.custom_query_range(
                query, begin, last, f"{step:g}", exact | _limit(left), timeout=left
            )
            return len(result), only_range(result)

        return self._within(measure, end)

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def _within(self, measure: Callable[[float], T], end: float) -> T:
        """The result of `measure` within the seconds left until `end`."""
        left = end - time.monotonic()
        if left <= 0:
            raise self.failure("the time limit was reached")
        return self.translated(lambda: measure(left))

    def translated(self, measure: Callable[[], T]) -> T:
        """The result of `measure`, with its errors translated."""
        try:
            return measure()
        except MetricsFailed:
            raise
        except CartctlError as error:
            raise self.failure(error.message) from error
        except ResponsePartial as error:
            raise MetricsPartial(f"Prometheus at {mask(self._url)}: {mask(str(error))}") from error
        except QueryRefused as error:
            raise QueryInvalid(
                f"Prometheus at {mask(self._url)} rejected the query: {mask(str(error))}",
                hint="Check metrics.queries.",
            ) from error
        except (requests.RequestException, PrometheusApiClientException, ResponseInvalid) as error:
            raise self.failure(str(error) or type(error).__name__) from error

    def failure(self, reason: str) -> MetricsFailed:
        """The error for a response that cannot be used."""
        return MetricsFailed(
            f"Prometheus at {mask(self._url)} failed to evaluate the query: {mask(reason)}",
            hint="Check metrics.url, metrics.token and metrics.queries.",
        )


def _limit(left: float) -> dict[str, str]:
    """The server also stops when the client no longer waits."""
    return {"timeout": f"{max(1, round(left * 1000))}ms"}
