"""Prometheus through its API client: instant values, how fresh they are, and the past of the error rate."""

import io
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from cartctl.adapters.http.client import Http
from cartctl.adapters.metrics.connections import ConnectionShare
from cartctl.adapters.metrics.prometheus_response import (
    ResponseInvalid,
    Series,
    instant,
    only_range,
    result_of,
    top_boundary,
)
from cartctl.adapters.metrics.source import Metric, MetricsFailed, PastReading, Reading, measured
from cartctl.errors import CartctlError, ConfigError
from cartctl.inputs import InvalidInput, parse_json
from cartctl.redaction import mask, register, register_address

T = TypeVar("T")

AT_ONCE = 6  # queries; a server answers twenty at once by default
_REQUESTS = "http_requests_total"
_API_HISTOGRAM = "http_request_duration_seconds"
_DB_HISTOGRAM = "db_query_duration_seconds"
_PARTS = ("", "requests", "timestamp", "buckets")
_HISTOGRAMS = {Metric.API_LATENCY_P95: _API_HISTOGRAM, Metric.DB_LATENCY_P95: _DB_HISTOGRAM}


def default_queries(window: float) -> dict[str, str]:
    """PromQL by name for a rate window in seconds.

    Beside each metric there are `NAME.requests` (observations in the window), `NAME.timestamp` (when the newest sample
    was taken) and, for histograms, `NAME.buckets` (the boundaries). The error rate survives an API without any 5xx series.
    """
    w = f"{math.ceil(window)}s"
    total = f"sum(rate({_REQUESTS}[{w}]))"
    failed = f'sum(rate({_REQUESTS}{{status=~"5.."}}[{w}]))'
    queries = {
        "error_rate": f"({failed} or 0 * {total}) / {total}",
        "error_rate.requests": f"sum(increase({_REQUESTS}[{w}]))",
        "error_rate.timestamp": f"max(timestamp({_REQUESTS}))",
    }
    for metric, name in _HISTOGRAMS.items():
        queries[metric] = f"histogram_quantile(0.95, sum by (le) (rate({name}_bucket[{w}])))"
        queries[f"{metric}.requests"] = f"sum(increase({name}_count[{w}]))"
        queries[f"{metric}.timestamp"] = f"max(timestamp({name}_count))"
        queries[f"{metric}.buckets"] = f"count by (le) ({name}_bucket)"
    return queries


def _configured(queries: Mapping[str, str]) -> dict[str, str]:
    """A user's own queries; one that is a plain series tells its own freshness. Raises ConfigError for an unknown name."""
    for name in queries:
        metric, _, part = name.partition(".")
        if metric not in set(Metric) or part not in _PARTS:
            raise ConfigError(
                f"metrics.queries has no {name!r}.",
                hint=f"It knows {', '.join(Metric)}, and each with {', '.join(f'.{part}' for part in _PARTS if part)}.",
            )
    own = dict(queries)
    for name, query in queries.items():
        if "." not in name and _is_series(query):
            own.setdefault(f"{name}.timestamp", f"max(timestamp({query}))")
    return own


def _is_series(query: str) -> bool:
    name = query.partition("{")[0].strip()
    return name.replace(":", "").replace("_", "").isalnum() and query.rstrip().endswith(("}", name[-1:]))


class PrometheusSource:
    """Measures through a Prometheus server; database connections come from the database itself.

    `window` is seconds; `timeout` is the seconds of one reading of all metrics, over all its queries. `queries` replaces
    defaults by name, as in `default_queries`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        verify: bool = True,
        queries: Mapping[str, str] | None = None,
        window: float = 60,
        connections: ConnectionShare | None = None,
        timeout: float = 10,
    ) -> None:
        self.window = window
        self.queries = default_queries(window) | _configured(queries or {})
        register_address(url)
        if token:
            register(token)
        self._url = url.rstrip("/")
        self._connections = connections
        self._timeout = timeout
        self._transport = _OverHttp(Http(url, token=token, timeout=timeout, verify=verify))
        self._session = requests.Session()
        self._session.trust_env = False  # proxies are the transport's business; a .netrc is nobody's
        self._session.hooks["response"].append(_refuse_doubtful)
        self._client = PrometheusConnect(self._url, session=self._session, retry=0)
        for prefix in list(self._session.adapters):
            self._session.mount(prefix, self._transport)

    def read(self) -> dict[Metric, Reading]:
        """Every metric, evaluated at one time by the server's own clock. Read-only.

        A server that is away is asked once, not once per query, and all queries share one deadline.
        """
        end = time.monotonic() + self._timeout
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cartctl query") as pool:
            results = pool.submit(self._answers, end, pool)
            connections = measured(Metric.DB_CONNECTIONS, self._read_connections)
            try:
                vectors = results.result()
            except MetricsFailed as failure:
                vectors = dict.fromkeys(self.queries, failure)
        return {metric: self._reading(metric, vectors, connections) for metric in Metric}

    def _answers(self, end: float, pool: ThreadPoolExecutor) -> dict[str, list[Series] | MetricsFailed]:
        """What each query gives, or why it gives nothing. Raises MetricsFailed when the server is away."""
        now = _single(self._query("time()", end, None))
        moment = now.at if now else None
        if moment is None:
            raise self._failure("it does not tell its time")
        futures = {
            name: pool.submit(_caught, partial(self._query, query, end, moment))
            for name, query in self.queries.items()
        }
        return {name: result.result() for name, result in futures.items()}

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """The error rate between two times (seconds since 1970), oldest first. Raises MetricsFailed."""
        end = time.monotonic() + self._timeout
        step = max(1.0, min(self.window / 4, (until - since) / 100 or 1.0))
        names = ("error_rate", "error_rate.requests", "error_rate.timestamp")
        with ThreadPoolExecutor(len(names), thread_name_prefix="cartctl query") as pool:
            ranges = [pool.submit(self._range, self.queries[name], since, until, step, end) for name in names]
            values, requests, stamps = (one.result() for one in ranges)
        past: dict[float, PastReading] = {}
        for moment, stamp in stamps.items():
            if moment - stamp <= self.window and since <= stamp <= until:
                past[stamp] = PastReading(stamp, values.get(moment), requests.get(moment))
        return [past[stamp] for stamp in sorted(past)]

    def close(self) -> None:
        """Close the connections to Prometheus and to the database."""
        self._session.close()
        if self._connections:
            self._connections.close()

    def _read_connections(self) -> Reading:
        if self._connections is None:
            return Reading(Metric.DB_CONNECTIONS, series=0, error="no database to count connections in")
        return self._connections.read()

    def _reading(
        self,
        metric: Metric,
        vectors: Mapping[str, list[Series] | MetricsFailed],
        connections: Reading,
    ) -> Reading:
        if metric is Metric.DB_CONNECTIONS and metric not in self.queries:
            return connections

        def series(name: str) -> list[Series]:
            vector = vectors.get(name, [])
            if isinstance(vector, MetricsFailed):
                raise vector
            return vector

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
            top_bucket=self._translated(lambda: top_boundary(series(f"{metric}.buckets"))),
        )

    def _query(self, query: str, end: float, moment: float | None) -> list[Series]:
        """An instant query, evaluated at `moment` (seconds since 1970) or now. Raises MetricsFailed."""
        params = {} if moment is None else {"time": f"{moment:.3f}"}
        return self._ask(
            lambda left: instant(self._client.custom_query(query, params | _limit(left), timeout=left)), end
        )

    def _range(self, query: str, since: float, until: float, step: float, end: float) -> dict[float, float]:
        begin, last = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
        exact = {"start": f"{since:.3f}", "end": f"{until:.3f}"}  # the client rounds to seconds
        return self._ask(
            lambda left: only_range(
                self._client.custom_query_range(
                    query, begin, last, f"{step:g}", exact | _limit(left), timeout=left
                )
            ),
            end,
        )

    def _ask(self, ask: Callable[[float], T], end: float) -> T:
        """What `ask` gives within the seconds that are left until `end`. Raises MetricsFailed."""
        left = end - time.monotonic()
        if left <= 0:
            raise self._failure(f"it took longer than {self._timeout:g} s")
        return self._translated(lambda: ask(left))

    def _translated(self, measure: Callable[[], T]) -> T:
        try:
            return measure()
        except MetricsFailed:
            raise
        except CartctlError as error:
            raise self._failure(error.message) from error
        except (requests.RequestException, PrometheusApiClientException, ResponseInvalid) as error:
            raise self._failure(str(error) or type(error).__name__) from error

    def _failure(self, reason: str) -> MetricsFailed:
        return MetricsFailed(
            f"Prometheus at {mask(self._url)} does not answer the query: {mask(reason)}",
            hint="Check metrics.url, metrics.token and metrics.queries.",
        )


class _OverHttp(requests.adapters.BaseAdapter):
    """Carries the client's requests over our own HTTP adapter: its deadline, its bounds, its token and its redirects."""

    def __init__(self, http: Http) -> None:
        super().__init__()
        self._http = http

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        """One request. Raises HttpUnreachable and HttpRedirected."""
        parts = urlsplit(str(request.url))
        base = urlsplit(self._http.base_url).path
        path = parts.path.removeprefix(base) + (f"?{parts.query}" if parts.query else "")
        received = self._http.send(str(request.method), path, timeout=options["timeout"])
        response = requests.Response()
        response.status_code, response.url, response.request = received.status, str(request.url), request
        response.encoding = "utf-8"
        response.raw = io.BytesIO(received.body.encode(errors="replace"))
        return response

    def close(self) -> None:
        """Nothing is held open."""


def _refuse_doubtful(response: requests.Response, **_: Any) -> None:
    """The client reads no status, no warning and no partial response, and trusts the shape: here each ends the query."""
    try:
        body = parse_json(response.text)
    except InvalidInput as error:
        raise ResponseInvalid(f"HTTP {response.status_code} without JSON") from error
    result_of(response.status_code, body)


def _limit(left: float) -> dict[str, str]:
    """The server gives up, too, when nobody waits any more."""
    return {"timeout": f"{max(1, round(left * 1000))}ms"}


def _single(series: list[Series]) -> Series | None:
    return series[0] if len(series) == 1 else None


def _caught(ask: Callable[[], list[Series]]) -> list[Series] | MetricsFailed:
    try:
        return ask()
    except MetricsFailed as failure:
        return failure
