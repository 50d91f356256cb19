"""The PromQL of the metrics: the built-in queries, and the user's own that replace them."""

import math
import re
from collections.abc import Mapping

from cartctl.adapters.metrics.source import Metric
from cartctl.config.model.monitoring import QUERY_PARTS
from cartctl.errors import ConfigError

_REQUESTS = "http_requests_total"
_HISTOGRAMS = {
    Metric.API_LATENCY_P95: "http_request_duration_seconds",
    Metric.DB_LATENCY_P95: "db_query_duration_seconds",
}
_NEWEST = re.compile(r"max\(timestamp\((?P<series>[^()]+)\)\)")


def default_queries(window: float, *, native: bool = False) -> dict[str, str]:
    """PromQL by name for a rate window in seconds; `native`: the latencies are native histograms.

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
        queries |= _native(metric, name, w) if native else _classic(metric, name, w)
    return queries


def _classic(metric: Metric, name: str, w: str) -> dict[str, str]:
    return {
        metric: f"histogram_quantile(0.95, sum by (le) (rate({name}_bucket[{w}])))",
        f"{metric}.requests": f"sum(increase({name}_count[{w}]))",
        f"{metric}.timestamp": f"max(timestamp({name}_count))",
        f"{metric}.buckets": f"count by (le) ({name}_bucket)",
    }


def _native(metric: Metric, name: str, w: str) -> dict[str, str]:
    return {
        metric: f"histogram_quantile(0.95, sum(rate({name}[{w}])))",
        f"{metric}.requests": f"histogram_count(sum(increase({name}[{w}])))",
        f"{metric}.timestamp": f"max(timestamp({name}))",
        f"{metric}.buckets": f"sum({name})",
    }


def own_queries(queries: Mapping[str, str]) -> dict[str, str]:
    """The user's own queries; for a plain series, the age query is derived from it. Raises ConfigError for an unknown name."""
    for name in queries:
        metric, _, part = name.partition(".")
        if metric not in set(Metric) or part not in ("", *QUERY_PARTS):
            raise ConfigError(
                f"Unknown name {name!r} in metrics.queries.",
                hint=f"Valid names are {', '.join(Metric)}, and each with {', '.join(f'.{part}' for part in QUERY_PARTS)}.",
            )
    own = dict(queries)
    for name, query in queries.items():
        if "." not in name and _is_series(query):
            own.setdefault(f"{name}.timestamp", f"max(timestamp({query}))")
    return own


def _is_series(query: str) -> bool:
    name = query.partition("{")[0].strip()
    return name.replace(":", "").replace("_", "").isalnum() and query.rstrip().endswith(("}", name[-1:]))


def interval_query(timestamp_query: str, window: float) -> str | None:
    """PromQL for the seconds between two samples of one series over the window; None unless the query names the series.

    Only series that are older than the window count: others have too few samples.
    """
    newest = _NEWEST.fullmatch(timestamp_query.strip())
    if newest is None:
        return None
    w, series = math.ceil(window), newest["series"].strip()
    return f"min({w} / (count_over_time({series}[{w}s]) and {series} offset {w}s))"
