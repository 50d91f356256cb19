"""Metrics without Prometheus: pods scraped, counters turned into rates, quantiles over all pods."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from cartctl.adapters.cluster import Cluster, ClusterUnreachable, Pod, PodResponse
from cartctl.adapters.metrics.scrape import Scrape, ScrapeSource, increases, parse, quantile
from cartctl.adapters.metrics.source import Metric, MetricsFailed


class Replica:
    """A pod's own counters."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.requests = Counter("http_requests", "n", ["method", "route", "status"], registry=registry)
        self.seconds = Histogram(
            "http_request_duration_seconds", "s", ["route"], buckets=(0.1, 0.5, 2, 5), registry=registry
        )
        self.queries = Histogram("db_query_duration_seconds", "s", buckets=(0.1, 0.5, 1), registry=registry)

    def serve(self, status: str, seconds: float = 0.05, times: int = 1) -> None:
        """So many requests were answered."""
        self.requests.labels("GET", "/", status).inc(times)
        for _ in range(times):
            self.seconds.labels("/").observe(seconds)
            self.queries.observe(seconds / 10)


@dataclass
class Pods:
    """A cluster of pods that answer /metrics."""

    replicas: dict[str, Replica] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    starting: set[str] = field(default_factory=set)

    def pods(self, deployment: str) -> list[Pod]:
        """All of them."""
        return [Pod(name, deployment, ready=name not in self.starting, images={}) for name in self.replicas]

    def ask(self, pod: Pod, path: str, headers: Mapping[str, str]) -> PodResponse:
        """Its counters as text."""
        assert path == "/metrics"
        if pod.name in self.silent:
            raise ClusterUnreachable(f"{pod.name} is silent")
        return PodResponse(200, {}, generate_latest(self.replicas[pod.name].registry).decode())


@dataclass
class World:
    """A source over pods, and its clock."""

    pods: Pods
    source: ScrapeSource
    now: list[float]

    def later(self, seconds: float) -> None:
        """Time passes."""
        self.now[0] += seconds


@pytest.fixture
def world() -> World:
    """Two pods, scraped once."""
    now = [1000.0]
    pods = Pods({"a": Replica(), "b": Replica()})
    for replica in pods.replicas.values():
        replica.serve("200", times=50)
    source = ScrapeSource(cast("Cluster", pods), ("payment-api",), window=60, clock=lambda: now[0])
    source.read()
    now[0] += 15
    return World(pods, source, now)


def test_one_scrape_is_no_rate() -> None:
    """What was counted before the first look proves nothing."""
    pods = Pods({"a": Replica()})
    pods.replicas["a"].serve("500", times=90)
    reading = ScrapeSource(cast("Cluster", pods), ("x",), clock=lambda: 5.0).read()[Metric.ERROR_RATE]
    assert (reading.value, reading.series, reading.requests, reading.error) == (None, 0, None, "")


def test_rates_are_summed_over_pods(world: World) -> None:
    """The error rate is that of all pods together, the p95 of all their answers."""
    world.pods.replicas["a"].serve("200", times=90)
    world.pods.replicas["b"].serve("500", 1.0, times=10)
    readings = world.source.read()
    rate, latency = readings[Metric.ERROR_RATE], readings[Metric.API_LATENCY_P95]
    assert (rate.value, rate.requests, rate.at, rate.age) == (0.1, 100, 1015.0, 0.0)
    assert latency.value is not None
    assert 0.5 < latency.value < 2
    assert latency.top_bucket == 5
    assert readings[Metric.DB_LATENCY_P95].requests == 100


def test_a_first_error_counts_though_its_series_is_new(world: World) -> None:
    """In a pod that was scraped before, a new series began at zero."""
    world.pods.replicas["a"].serve("503")
    assert world.source.read()[Metric.ERROR_RATE].value == 1.0


def test_a_restarted_pod_counts_from_zero(world: World) -> None:
    """Counters that fell have begun again; nothing is negative."""
    world.pods.replicas["a"] = Replica()
    world.pods.replicas["a"].serve("500", times=20)
    world.pods.replicas["b"].serve("200", times=20)
    reading = world.source.read()[Metric.ERROR_RATE]
    assert (reading.value, reading.requests) == (0.5, 40)


def test_a_pod_that_has_gone_keeps_counting_within_the_window(world: World) -> None:
    """Errors of the replica that was just replaced are not forgotten, until the window has passed."""
    world.pods.replicas["a"].serve("500", times=10)
    world.source.read()
    del world.pods.replicas["a"]
    world.pods.replicas["c"] = Replica()
    world.later(15)
    assert world.source.read()[Metric.ERROR_RATE].value == 1.0
    for _ in range(5):
        world.later(15)
        world.pods.replicas["b"].serve("200", times=5)
        reading = world.source.read()[Metric.ERROR_RATE]
    assert reading.value == 0.0


def test_no_traffic_is_nan_over_no_requests(world: World) -> None:
    """A quiet minute is measured: no value, but a known number of requests."""
    reading = world.source.read()[Metric.ERROR_RATE]
    assert reading.value is not None
    assert math.isnan(reading.value)
    assert (reading.requests, reading.series) == (0, 1)


def test_a_ready_pod_that_is_silent_is_an_error(world: World) -> None:
    """Half of the pods cannot speak for all of them."""
    world.pods.silent = {"b"}
    assert "b is silent" in world.source.read()[Metric.ERROR_RATE].error


def test_a_starting_pod_may_be_silent(world: World) -> None:
    """A pod that is not ready yet serves nobody."""
    world.pods.replicas["c"] = Replica()
    world.pods.silent = world.pods.starting = {"c"}
    world.pods.replicas["a"].serve("200", times=10)
    assert world.source.read()[Metric.ERROR_RATE].value == 0.0


def test_no_pod_at_all_is_an_error(world: World) -> None:
    """Nothing to scrape is no good answer."""
    world.pods.replicas.clear()
    assert all(reading.error for reading in world.source.read().values())


def test_a_histogram_nobody_exports_is_no_series() -> None:
    """Without buckets there is no latency, and no zero either."""
    now = [0.0]
    pods = Pods({"a": Replica()})
    pods.replicas["a"].registry.unregister(pods.replicas["a"].queries)
    source = ScrapeSource(cast("Cluster", pods), ("x",), clock=lambda: now[0])
    source.read()
    now[0] = 15
    pods.replicas["a"].serve("200", times=9)
    reading = source.read()[Metric.DB_LATENCY_P95]
    assert (reading.value, reading.series, reading.top_bucket) == (None, 0, None)


def test_text_that_is_no_metrics_is_an_error() -> None:
    """A page of HTML is not read as an empty set of counters."""
    with pytest.raises(MetricsFailed):
        parse("<html>{</html>")


@pytest.mark.parametrize(
    ("buckets", "expected"),
    (
        ({0.1: 95, 1.0: 100, math.inf: 100}, 0.1),
        ({0.1: 0, 1.0: 100, math.inf: 100}, 0.955),
        ({0.1: 50, 1.0: 90, math.inf: 100}, 1.0),
        ({math.inf: 100}, 0.0),
    ),
)
def test_quantiles_as_promql_gives_them(buckets: dict[float, float], expected: float) -> None:
    """Linear within a bucket, the last finite boundary beyond it."""
    assert quantile(0.95, buckets) == pytest.approx(expected)


@pytest.mark.parametrize("buckets", ({}, {0.1: 0, math.inf: 0}, {0.1: 5}))
def test_a_quantile_of_nothing_is_nan(buckets: dict[float, float]) -> None:
    """No observations, or no end of the histogram, is no number."""
    assert math.isnan(quantile(0.95, buckets))


@given(
    values=st.lists(st.floats(0.001, 4.9), min_size=1, max_size=200), share=st.sampled_from((0.5, 0.95, 0.99))
)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    """The estimate is never further off than the bucket that holds the true value."""
    bounds = (0.1, 0.5, 1.0, 2.0, 5.0, math.inf)
    buckets = {bound: float(sum(value <= bound for value in values)) for bound in bounds}
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    bound = next(bound for bound in bounds if true <= bound)
    low = max((other for other in bounds if other < bound), default=0.0)
    assert low <= quantile(share, buckets) <= bound


@given(st.lists(st.integers(0, 50), min_size=2, max_size=20), st.integers(0, 19))
def test_increases_survive_restarts(steps: list[int], restart: int) -> None:
    """However a pod's counter begins again, the increase is what happened after the first scrape."""
    total, scrapes = 7.0, []
    for number, step in enumerate(steps):
        if number == restart:
            total = 0.0
        total += step
        scrapes.append(Scrape(float(number), {"a": {("n", ()): total}}))
    grown = increases(scrapes).get(("n", ()), 0.0)
    if not 0 < restart < len(steps) or steps[restart] < scrapes[restart - 1].pods["a"]["n", ()]:
        assert grown == sum(steps[1:])


@pytest.mark.parametrize(
    "line",
    (
        'http_requests_total{status="200"} many',
        'http_requests_total{status="200"} NaN',
        'http_requests_total{status="200"} +Inf',
        'http_requests_total{status="200" 1',
        'http_requests_total{status="200',
        "http_requests_total",
        'http_request_duration_seconds_bucket{le="wide"} 1',
        'http_request_duration_seconds_bucket{le="NaN"} 1',
        "http_request_duration_seconds_bucket 1",
        'http_request_duration_seconds_bucket{le=""} 1',
    ),
)
def test_a_counter_that_is_none_is_one_sentence(line: str) -> None:
    """Values that are no numbers, labels cut off, boundaries that are none."""
    with pytest.raises(MetricsFailed, match="cannot be read"):
        parse(line)


def test_only_the_lines_of_our_metrics_are_parsed() -> None:
    """Whatever else a service writes there is its own business."""
    text = 'other{ 1\n# TYPE x y z\n<html>\n\0\nhttp_requests_total{status="200"} 3\n'
    assert parse(text) == {("http_requests_total", (("status", "200"),)): 3.0}
