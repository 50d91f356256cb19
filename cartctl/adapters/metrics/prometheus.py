"""Metrics from Prometheus: current readings with their age, and past ones."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from cartctl.adapters.http.client import Access
from cartctl.adapters.metrics.connections import ConnectionShare
from cartctl.adapters.metrics.prometheus_response import Series, buckets, instant, top_boundary
from cartctl.adapters.metrics.prometheus_server import PrometheusServer
from cartctl.adapters.metrics.queries import default_queries, interval_query, own_queries
from cartctl.adapters.metrics.source import (
    Metric,
    MetricsFailed,
    PastReading,
    QueryFacts,
    QueryInvalid,
    Reading,
    measured,
)

Result = list[Series] | MetricsFailed

AT_ONCE = 16  # queries; a server answers twenty at once by default
DRIFT = 1.0  # seconds by which the server's clock may differ from its expected value
HISTORY_SECONDS = 60.0  # for one piece of the past
POINTS = 10_000  # in one piece; a server refuses more than 11,000


class PrometheusSource:
    """Measures through a Prometheus server or one that is compatible; database connections come from the database itself.

    `window` is seconds; `timeout` is the seconds of one reading of all metrics, over all its queries. `queries` replaces
    defaults by name, as in `default_queries`; `native` says that the latencies are native histograms.
    """

    def __init__(
        self,
        url: str,
        *,
        access: Access | None = None,
        queries: Mapping[str, str] | None = None,
        native: bool = False,
        window: float = 60,
        connections: ConnectionShare | None = None,
        timeout: float = 10,
    ) -> None:
        self.window = window
        self.queries = default_queries(window, native=native) | own_queries(queries or {})
        self._server = PrometheusServer(url, access)
        self._connections = connections
        self._timeout = timeout
        self._ahead: float | None = None  # seconds from our monotonic clock to the server's

    def read(self) -> dict[Metric, Reading]:
        """Every metric, evaluated at one time by the server's own clock. Read-only.

        All queries run at the same time and share one deadline.
        """
        end = time.monotonic() + self._timeout
        with _pool() as pool:
            connections = pool.submit(measured, Metric.DB_CONNECTIONS, self._read_connections)
            results = self._results(pool, end)
        return {metric: self._reading(metric, results, connections.result()) for metric in Metric}

    def _results(self, pool: ThreadPoolExecutor, end: float) -> Mapping[str, Result]:
        """What each query returns, or why it returns nothing.

        The server's time is read concurrently with the queries, which are evaluated at the time predicted from the last read: this
        saves a round trip. If the server's clock was changed meanwhile, the queries are repeated.
        """
        expected, self._ahead = self._ahead, None  # an unreachable server gets only one request next time
        try:
            if expected is not None:
                clock = pool.submit(self._server_time, end)
                results = self._evaluated(pool, end, expected + time.monotonic())
                clock.result()
                if self._ahead is not None and abs(self._ahead - expected) <= DRIFT:
                    return results
            return self._evaluated(pool, end, self._server_time(end))
        except MetricsFailed as failure:
            return dict.fromkeys(self.queries, failure)

    def _server_time(self, end: float) -> float:
        sent = time.monotonic()
        now = self._server.time(end)
        self._ahead = now - (sent + time.monotonic()) / 2
        return now

    def _evaluated(self, pool: ThreadPoolExecutor, end: float, moment: float) -> dict[str, Result]:
        """What each query returns at one moment by the server's clock (seconds since 1970)."""
        futures = {
            name: pool.submit(_caught, partial(self._server.instant, query, end, moment, _parser(name)))
            for name, query in self.queries.items()
        }
        return {name: result.result() for name, result in futures.items()}

    def query_facts(self) -> dict[str, QueryFacts]:
        """Every query by its name, with its current result. Read-only."""
        end = time.monotonic() + self._timeout
        newest = {name: query for name, query in self.queries.items() if name.endswith(".timestamp")}
        intervals = {name: interval_query(query, self.window) for name, query in newest.items()}
        with _pool() as pool:
            futures = {
                name.partition(".")[0]: pool.submit(_caught, partial(self._server.instant, query, end))
                for name, query in intervals.items()
                if query
            }
            results = self._results(pool, end)
            between = {metric: future.result() for metric, future in futures.items()}
        return {
            name: _facts(query, results[name], between.get(name.partition(".")[0]))
            for name, query in self.queries.items()
        }

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """The error rate between two times (seconds since 1970), oldest first. Raises MetricsFailed."""
        end = time.monotonic() + self._timeout
        step = max(1.0, min(self.window / 4, (until - since) / 100 or 1.0))
        names = ("error_rate", "error_rate.requests", "error_rate.timestamp")
        _, (values, requests, stamps) = self._ranges(names, since, until, step, end)
        past: dict[float, PastReading] = {}
        for moment, stamp in stamps.items():
            if 0 <= moment - stamp <= self.window and since <= stamp <= until:
                past[stamp] = PastReading(stamp, values.get(moment), requests.get(moment))
        return [past[stamp] for stamp in sorted(past)]

    def history(
        self, since: float, until: float, step: float
    ) -> Iterator[tuple[float, Mapping[Metric, Reading]]]:
        """The readings that `read` would have given every `step` seconds, oldest first. Raises MetricsFailed."""
        while since <= until:
            last = min(until, since + (POINTS - 1) * step)
            yield from self._piece(since, last, step)
            since = last + step

    def _piece(
        self, since: float, until: float, step: float
    ) -> Iterator[tuple[float, Mapping[Metric, Reading]]]:
        end = time.monotonic() + HISTORY_SECONDS
        metrics = [metric for metric in Metric if metric in self.queries]
        names = [f"{metric}{part}" for metric in metrics for part in ("", ".requests", ".timestamp")]
        counts, points = self._ranges(names, since, until, step, end)
        count, values = dict(zip(names, counts, strict=True)), dict(zip(names, points, strict=True))
        tops = {metric: self._top(metric, end, until) for metric in metrics}
        for index in range(1 + math.floor((until - since) / step + 1e-9)):
            moment = round(since + index * step, 3)
            yield (
                moment,
                {metric: _past(metric, moment, count, values, tops[metric]) for metric in metrics},
            )

    def _top(self, metric: Metric, end: float, moment: float) -> float | None:
        query = self.queries.get(f"{metric}.buckets")
        return top_boundary(self._server.instant(query, end, moment, buckets)) if query else None

    def _ranges(
        self, names: list[str] | tuple[str, ...], since: float, until: float, step: float, end: float
    ) -> tuple[list[int], list[dict[float, float]]]:
        """How many series each query has between two times, and the values of the only one."""
        with _pool() as pool:
            futures = [
                pool.submit(self._server.range, self.queries[name], since, until, step, end)
                if name in self.queries
                else None
                for name in names
            ]
            results = [future.result() if future else (0, {}) for future in futures]
        return [count for count, _ in results], [values for _, values in results]

    def close(self) -> None:
        """Close the connections to Prometheus and to the database."""
        self._server.close()
        if self._connections:
            self._connections.close()

    def _read_connections(self) -> Reading:
        if self._connections is None:
            return Reading(
                Metric.DB_CONNECTIONS, series=0, error="no database configured to count connections in"
            )
        return self._connections.read()

    def _reading(self, metric: Metric, results: Mapping[str, Result], connections: Reading) -> Reading:
        if metric is Metric.DB_CONNECTIONS and metric not in self.queries:
            return connections

        def series(name: str) -> list[Series]:
            result = results.get(name, [])
            if isinstance(result, MetricsFailed):
                raise result
            return result

        return measured(metric, lambda: self._measured(metric, series))

    def _measured(self, metric: Metric, series: Callable[[str], list[Series]]) -> Reading:
        vector, stamp = series(metric), _single(series(f"{metric}.timestamp"))
        only, requests = _single(vector), _single(series(f"{metric}.requests"))
        sampled = stamp.value if stamp and math.isfinite(stamp.value) else None
        at = only.at if only else None
        return Reading(
            metric,
            value=only.value if only else None,
            at=sampled,
            age=None if sampled is None or at is None else at - sampled,
            series=len(vector),
            requests=requests.value if requests else None,
            top_bucket=self._server.translated(lambda: top_boundary(series(f"{metric}.buckets"))),
        )


def _past(
    metric: Metric,
    moment: float,
    count: Mapping[str, int],
    values: Mapping[str, Mapping[float, float]],
    top: float | None,
) -> Reading:
    """A reading as it was at a moment of the past (seconds since 1970)."""
    value = values[metric].get(moment)
    stamp = values[f"{metric}.timestamp"].get(moment)
    series = count[metric] if count[metric] > 1 else int(value is not None)
    age = None if stamp is None or not math.isfinite(stamp) else moment - stamp
    return Reading(
        metric,
        value=value,
        at=None if age is None else stamp,
        age=age,
        series=series,
        requests=values[f"{metric}.requests"].get(moment),
        top_bucket=top,
    )


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cartctl query")


def _single(series: list[Series]) -> Series | None:
    return series[0] if len(series) == 1 else None


def _parser(name: str) -> Callable[[list[Any]], list[Series]]:
    return buckets if name.endswith(".buckets") else instant


def _facts(query: str, result: Result, interval: Result | None) -> QueryFacts:
    if isinstance(result, MetricsFailed):
        return QueryFacts(query, error=result.message, refused=isinstance(result, QueryInvalid))
    only = _single(result)
    between = _single(interval) if isinstance(interval, list) else None
    return QueryFacts(query, len(result), only.value if only else None, between.value if between else None)


def _caught(measure: Callable[[], list[Series]]) -> Result:
    try:
        return measure()
    except MetricsFailed as failure:
        return failure
