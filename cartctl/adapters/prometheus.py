"""Prometheus through its API client: instant values, how fresh they are, and the past of the error rate."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from cartctl.adapters.connections import ConnectionShare
from cartctl.adapters.http import mask
from cartctl.adapters.metrics import Metric, MetricsFailed, PastReading, Reading, measured
from cartctl.errors import ConfigError

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

    `window` and `timeout` are seconds. `queries` replaces defaults by name, as in `default_queries`.
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
        self._url = url.rstrip("/")
        self._connections = connections
        self._timeout = timeout
        self._away = ""  # why the server did not answer in this look
        self._session = requests.Session()
        self._session.verify = verify
        self._session.hooks["response"].append(_refuse_doubtful)
        if token:
            self._session.auth = _Bearer(token)
        self._client = PrometheusConnect(self._url, session=self._session, timeout=timeout, retry=0)

    def read(self) -> dict[Metric, Reading]:
        """Every metric. A server that is away is asked once, not once per query. Read-only."""
        self._away = ""
        return {metric: measured(metric, lambda metric=metric: self._read(metric)) for metric in Metric}  # type: ignore[misc]

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:
        """The error rate between two times (seconds since 1970), oldest first. Raises MetricsFailed."""
        self._away = ""
        step = max(1.0, min(self.window / 4, (until - since) / 100 or 1.0))
        values, asked, stamps = (
            self._range(self.queries[name], since, until, step)
            for name in ("error_rate", "error_rate.requests", "error_rate.timestamp")
        )
        past: dict[float, PastReading] = {}
        for moment, stamp in stamps.items():
            if moment - stamp <= self.window and since <= stamp:
                past[stamp] = PastReading(stamp, values.get(moment), asked.get(moment))
        return [past[stamp] for stamp in sorted(past)]

    def close(self) -> None:
        """Close the connections to Prometheus and to the database."""
        self._session.close()
        if self._connections:
            self._connections.close()

    def _read(self, metric: Metric) -> Reading:
        if metric is Metric.DB_CONNECTIONS and metric not in self.queries:
            if self._connections is None:
                return Reading(metric, series=0, error="no database to count connections in")
            return self._connections.read()
        value, series, moment = _single(self._vector(self.queries[metric]))
        stamp = self._stamp(metric)
        return Reading(
            metric,
            value=value,
            at=stamp,
            age=None if stamp is None or moment is None else moment - stamp,
            series=series,
            requests=self._number(f"{metric}.requests"),
            top_bucket=self._top_bucket(metric),
        )

    def _stamp(self, metric: Metric) -> float | None:
        return self._number(f"{metric}.timestamp")

    def _number(self, name: str) -> float | None:
        query = self.queries.get(name)
        return _single(self._vector(query))[0] if query else None

    def _top_bucket(self, metric: Metric) -> float | None:
        query = self.queries.get(f"{metric}.buckets")
        if query is None:
            return None
        bounds = [float(series["metric"]["le"]) for series in self._vector(query) if "le" in series["metric"]]
        return max((bound for bound in bounds if math.isfinite(bound)), default=None)

    def _vector(self, query: str) -> list[dict[str, Any]]:
        found = self._ask(lambda: self._client.custom_query(query, params={"timeout": f"{self._timeout:g}s"}))
        if found and not isinstance(found[0], dict):
            return [{"metric": {}, "value": found}]  # a scalar is [time, value]
        return list(found)

    def _range(self, query: str, since: float, until: float, step: float) -> dict[float, float]:
        begin, end = datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC)
        found = self._ask(lambda: self._client.custom_query_range(query, begin, end, f"{step:g}"))
        return {float(at): float(value) for at, value in found[0]["values"]} if len(found) == 1 else {}

    def _ask(self, ask: Callable[[], Any]) -> Any:
        if self._away:
            raise self._failure(self._away)
        try:
            return ask()
        except (requests.ConnectionError, requests.Timeout) as error:
            self._away = _reason(error)
            raise self._failure(self._away) from error
        except (requests.RequestException, PrometheusApiClientException, ValueError, KeyError) as error:
            raise self._failure(_reason(error)) from error

    def _failure(self, reason: str) -> MetricsFailed:
        return MetricsFailed(
            f"Prometheus at {mask(self._url)} does not answer the query: {mask(reason)}",
            hint="Check metrics.url, metrics.token and metrics.queries.",
        )


class _Bearer(requests.auth.AuthBase):
    """The token as a request's authorization; without it a .netrc of the machine would take its place."""

    def __init__(self, token: str) -> None:
        self._token = token.strip()

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _refuse_doubtful(answer: Any, **_: Any) -> None:
    """The client drops Prometheus' warnings and follows redirects: here both end the query."""
    if answer.is_redirect:
        raise requests.TooManyRedirects(f"it redirects to {mask(answer.headers['location'])}")
    if answer.ok and (warnings := answer.json().get("warnings")):
        raise requests.RequestException("it warns: " + "; ".join(map(str, warnings)))


def _single(vector: list[dict[str, Any]]) -> tuple[float | None, int, float | None]:
    """The value of the only series, how many there were, and when it was evaluated."""
    if len(vector) != 1:
        return None, len(vector), None
    moment, value = vector[0]["value"]
    return float(value), 1, float(moment)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
