"""Metrics without a Prometheus: `/metrics` of every pod of the API, read by cartctl itself and turned into rates.

Works like `rate()`, with two differences: a series that appears in a pod that was already scraped started at zero, and a
pod that is gone counts as long as its last scrapes are in the window.
"""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from cartctl.adapters.cluster import Cluster, Pod
from cartctl.adapters.metrics.connections import ConnectionShare
from cartctl.adapters.metrics.source import Metric, MetricsFailed, PastReading, QueryFacts, Reading, measured
from cartctl.errors import CartctlError
from cartctl.inputs import MALFORMED

_REQUESTS = "http_requests_total"
_HISTOGRAMS = {
    Metric.API_LATENCY_P95: "http_request_duration_seconds",
    Metric.DB_LATENCY_P95: "db_query_duration_seconds",
}
_NEEDED = {_REQUESTS, *(f"{name}_{part}" for name in _HISTOGRAMS.values() for part in ("bucket", "count"))}
BEGINNING = 16 * 1024  # characters
_PREFIXES = tuple(sorted(_NEEDED))

Key = tuple[str, tuple[tuple[str, str], ...]]  # sample name and its labels
Counters = Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class Scrape:
    """The counters of every pod at one time, in seconds since 1970."""

    at: float
    pods: Mapping[str, Counters]


def parse(text: str) -> dict[Key, float]:
    """The counters that metrics are made of, from the text a pod responds with. Raises MetricsFailed.

    Only their lines are parsed, since a service may export hundreds of thousands of others; if there are none, the beginning is
    parsed, since an HTML page must not count as an empty set of counters.
    """
    relevant = "\n".join(line for line in text.split("\n") if line.lstrip().startswith(_PREFIXES))
    relevant = relevant or text[:BEGINNING].rpartition("\n")[0] or text[:BEGINNING]
    try:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): _counted(sample)
            for family in text_string_to_metric_families(relevant + "\n")
            for sample in family.samples
            if sample.name in _NEEDED
        }
    except MALFORMED as error:
        raise MetricsFailed(f"/metrics cannot be read: {error}") from error


def _counted(sample: Sample) -> float:
    """A counter's value. Raises ValueError for an impossible value, and for a bucket without a boundary."""
    if sample.name.endswith("_bucket") and math.isnan(float(sample.labels["le"])):
        raise ValueError(f"{sample.name} has the boundary NaN")
    if not math.isfinite(sample.value):
        raise ValueError(f"{sample.name} is {sample.value}")
    return float(sample.value)


def increases(scrapes: list[Scrape]) -> dict[Key, float]:
    """How much each counter grew over the scrapes, summed over pods; a counter that fell began again from zero."""
    grown: dict[Key, float] = defaultdict(float)
    last: dict[str, Counters] = {}
    for scrape in scrapes:
        for pod, counters in scrape.pods.items():
            before = last.get(pod)
            if before is not None:
                for key, value in counters.items():
                    was = before.get(key, 0.0)
                    grown[key] += value - was if value >= was else value
            last[pod] = counters
    return dict(grown)


def quantile(share: float, buckets: Mapping[float, float]) -> float:
    """A quantile from cumulative histogram counts by upper bound, as PromQL's `histogram_quantile`; NaN without observations."""
    bounds = sorted(buckets)
    if not bounds or not math.isinf(bounds[-1]) or buckets[bounds[-1]] <= 0:
        return math.nan
    rank = share * buckets[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        count = max(buckets[bound], below)
        if count >= rank:
            if math.isinf(bound):
                return low
            return low + (bound - low) * ((rank - below) / (count - below) if count > below else 1.0)
        low, below = bound, count
    return low


class ScrapeSource:
    """Measures by scraping the pods of `deployments` at each reading; `window` is seconds, `clock` seconds since 1970."""

    def __init__(
        self,
        cluster: Cluster,
        deployments: tuple[str, ...],
        *,
        window: float = 60,
        connections: ConnectionShare | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.window = window
        self._cluster = cluster
        self._deployments = deployments
        self._connections = connections
        self._clock = clock
        self._scrapes: deque[Scrape] = deque()

    def read(self) -> dict[Metric, Reading]:
        """Every metric. Read-only."""
        try:
            self._scrape()
            failure = ""
        except CartctlError as error:
            failure = error.message
        return {metric: measured(metric, self._reader(metric, failure)) for metric in Metric}

    def past_error_rates(self, since: float, until: float) -> list[PastReading]:  # noqa: ARG002 - the protocol's signature
        """Nothing: a scrape source has no history."""
        return []

    def history(
        self,
        since: float,  # noqa: ARG002 - the protocol's signature
        until: float,  # noqa: ARG002
        step: float,  # noqa: ARG002
    ) -> Iterator[tuple[float, Mapping[Metric, Reading]]]:
        """Nothing, as above."""
        return iter(())

    def query_facts(self) -> dict[str, QueryFacts]:
        """Nothing: pods are read, not queried."""
        return {}

    def close(self) -> None:
        """Close the connection to the database."""
        if self._connections:
            self._connections.close()

    def _reader(self, metric: Metric, failure: str) -> Callable[[], Reading]:
        if metric is Metric.DB_CONNECTIONS:
            if self._connections is None:
                return lambda: Reading(
                    metric, series=0, error="no database configured to count connections in"
                )
            return self._connections.read
        if failure:
            return lambda: Reading(metric, series=0, error=failure)
        return lambda: self._error_rate() if metric is Metric.ERROR_RATE else self._p95(metric)

    def _scrape(self) -> None:
        """Scrape every pod. A starting or terminating one may fail to respond; if a ready one does, the scrape is unusable."""
        pods: dict[str, Counters] = {}
        silent: list[str] = []
        for pod in (pod for deployment in self._deployments for pod in self._cluster.pods(deployment)):
            try:
                pods[pod.name] = self._counters(pod)
            except CartctlError as error:
                if pod.ready:
                    silent.append(f"{pod.name}: {error.message}")
        if not pods and not silent:
            silent.append(f"no pod of {', '.join(self._deployments)} responds")
        if silent:
            raise MetricsFailed("; ".join(silent))
        self._scrapes.append(Scrape(self._clock(), pods))
        while self._too_old():
            self._scrapes.popleft()

    def _too_old(self) -> bool:
        """The window, or at least two scrapes if they are less frequent than that."""
        age = self._scrapes[-1].at - self._scrapes[0].at
        return age > self.window and (len(self._scrapes) > 2 or age > 2 * self.window)  # noqa: PLR2004 - a pair

    def _counters(self, pod: Pod) -> dict[Key, float]:
        response = self._cluster.ask(pod, "/metrics", {})
        if response.status != 200:  # noqa: PLR2004 - HTTP's OK
            raise MetricsFailed(f"/metrics responded with HTTP {response.status}")
        return parse(response.body)

    def _reading(
        self, metric: Metric, value: float | None, requests: float, top: float | None = None
    ) -> Reading:
        newest = self._scrapes[-1].at
        known = len(self._scrapes) > 1 and value is not None
        return Reading(
            metric,
            value=value if known else None,
            at=newest,
            age=self._clock() - newest,
            series=1 if known else 0,
            requests=requests if known else None,
            top_bucket=top,
        )

    def _error_rate(self) -> Reading:
        grown = {key: value for key, value in increases(list(self._scrapes)).items() if key[0] == _REQUESTS}
        total = sum(grown.values())
        failed = sum(
            value for (_, labels), value in grown.items() if dict(labels).get("status", "").startswith("5")
        )
        value: float | None = (failed / total if total else math.nan) if self._has(_REQUESTS) else None
        return self._reading(Metric.ERROR_RATE, value, total)

    def _p95(self, metric: Metric) -> Reading:
        name = _HISTOGRAMS[metric]
        buckets: dict[float, float] = defaultdict(float)
        for (sample, labels), value in increases(list(self._scrapes)).items():
            if sample == f"{name}_bucket":
                buckets[float(dict(labels)["le"])] += value
        finite = [bound for bound in buckets if math.isfinite(bound)]
        p95 = quantile(0.95, buckets) if self._has(f"{name}_bucket") else None
        return self._reading(metric, p95, buckets.get(math.inf, 0.0), max(finite, default=None))

    def _has(self, sample: str) -> bool:
        return any(key[0] == sample for counters in self._scrapes[-1].pods.values() for key in counters)
