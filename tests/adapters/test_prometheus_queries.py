"""How the queries of a reading are sent, what `query_facts` tells of them, and native histograms."""

import json
import struct
import threading
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cartctl.adapters.metrics.prometheus import PrometheusSource
from cartctl.adapters.metrics.prometheus_response import (
    QueryRefused,
    ResponseInvalid,
    ResponsePartial,
    buckets,
    result_of,
    top_boundary,
)
from cartctl.adapters.metrics.queries import default_queries, interval_query
from cartctl.adapters.metrics.source import Metric
from tests.adapters.test_prometheus import Exporter
from tests.prometheus import prometheus, scraping, until
from tests.web import Reply, WebRequest, serve

NOW = 1_790_000_000.0


def vector(value: object, at: float = NOW, **labels: str) -> dict[str, Any]:
    """A response with one series."""
    result = [{"metric": labels, "value": [at, str(value)]}]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def query(request: WebRequest) -> str:
    """The PromQL of a request."""
    return parse_qs(urlsplit(request.path).query)["query"][0]


def moment(request: WebRequest) -> float | None:
    """The time that it is to be evaluated at."""
    given = parse_qs(urlsplit(request.path).query).get("time")
    return float(given[0]) if given else None


def server(clock: Callable[[], float], stamp: Callable[[float], float]) -> Callable[[WebRequest], Reply]:
    """Answers as a Prometheus whose clock that is, with samples of such a time."""

    def answer(request: WebRequest) -> Reply:
        at = moment(request) or clock()
        text = query(request)
        value = stamp(at) if "timestamp(" in text else 0.25
        return Reply(
            vector(value, at, **({"le": "5"} if "by (le) (http" in text and "count" in text else {}))
        )

    return answer


@pytest.mark.parametrize("skew", (-90.0, 90.0))
def test_freshness_is_that_of_the_servers_own_clock(skew: float) -> None:
    """Whether it is ahead of ours or behind, a sample of two seconds ago is two seconds old, reading after reading."""
    with serve(server(lambda: time.time() + skew, lambda at: at - 2)) as web:
        source = PrometheusSource(web.url)
        readings = [source.read()[Metric.ERROR_RATE] for _ in range(3)]
        source.close()
    for reading in readings:
        assert reading.age == pytest.approx(2, abs=0.01)
        assert reading.at is not None
        assert reading.at - time.time() == pytest.approx(skew - 2, abs=40)


def test_a_later_reading_reads_the_clock_beside_its_queries() -> None:
    """All of them at the time that is predicted; the server answers none before all have arrived."""
    requests = len(default_queries(60)) + 1
    together = threading.Barrier(requests)
    waiting = threading.Event()

    def answer(request: WebRequest) -> Reply:
        if waiting.is_set():
            together.wait(20)
        return server(time.time, lambda at: at - 1)(request)

    with serve(answer) as web:
        source = PrometheusSource(web.url, timeout=30)
        source.read()
        waiting.set()
        before = len(web.requests)
        reading = source.read()[Metric.ERROR_RATE]
        source.close()
    later = web.requests[before:]
    moments = {moment(request) for request in later} - {None}
    assert (len(later), len(moments)) == (requests, 1)
    assert abs(next(iter(moments)) - time.time()) < 30  # type: ignore[operator]
    assert reading.age == pytest.approx(1, abs=0.01)


def test_a_clock_that_was_set_is_read_anew() -> None:
    """The prediction is wrong by more than a second: the queries are sent again at the right time."""
    ahead = [0.0]
    with serve(server(lambda: time.time() + ahead[0], lambda at: at - 3)) as web:
        source = PrometheusSource(web.url)
        source.read()
        ahead[0] = -600.0
        reading = source.read()[Metric.ERROR_RATE]
        source.close()
    assert reading.at is not None
    assert reading.at - time.time() == pytest.approx(-603, abs=5)


def test_a_server_that_went_away_gets_one_request_afterwards() -> None:
    """Not one per query, as long as it does not respond."""
    broken = [False]

    def answer(request: WebRequest) -> Reply:
        return Reply("away", 503) if broken[0] else server(time.time, lambda at: at)(request)

    with serve(answer) as web:
        source = PrometheusSource(web.url)
        source.read()
        broken[0] = True
        assert source.read()[Metric.ERROR_RATE].error
        before = len(web.requests)
        assert source.read()[Metric.ERROR_RATE].error
        assert len(web.requests) == before + 1
        broken[0] = False
        assert source.read()[Metric.ERROR_RATE].error == ""
        source.close()


def test_notes_about_a_query_are_no_warnings() -> None:
    """Prometheus 2.48 to 2.53 puts `PromQL info:` among the warnings; later ones have `infos`. All else is partial."""
    body = vector(0)
    note = 'PromQL info: metric might not be a counter, name does not end in _total: "x" (1:6)'
    assert result_of(200, {**body, "warnings": [note]})
    assert result_of(200, {**body, "infos": [note], "warnings": []})
    for warnings in (
        [note, "a store is away"],
        ["PromQL warning: bucket label le is missing"],
        "away",
        {"a": 1},
    ):
        with pytest.raises(ResponsePartial):
            result_of(200, {**body, "warnings": warnings})


@pytest.mark.parametrize(
    ("body", "refused"),
    (
        ({"errorType": "bad_data", "error": "1:4: parse error: unclosed left parenthesis"}, True),
        ({"errorType": "422", "error": 'error when executing query="x(": cannot parse "x("'}, True),
        ({"errorType": "422", "error": "cannot select more than 300000 series"}, False),
        ({"errorType": "execution", "error": "found duplicate series for the match group"}, False),
        ({"errorType": "timeout", "error": "query timed out"}, False),
        ({"errorType": ["bad_data"], "error": None}, False),
        ({}, False),
    ),
)
def test_a_query_that_cannot_be_parsed_is_distinguished_from_one_that_fails(
    body: Mapping[str, Any], refused: bool
) -> None:
    """By Prometheus's type of error, and by VictoriaMetrics's words."""
    with pytest.raises(ResponseInvalid) as caught:
        result_of(400, {"status": "error", **body})
    assert isinstance(caught.value, QueryRefused) is refused


NATIVE = json.loads(  # the form of Prometheus's API for exponential buckets
    """[{"metric": {}, "histogram": [1790000000.123, {"count": "1234", "sum": "96.4", "buckets": [
    [3, "-0.001", "0.001", "2"], [0, "0.0625", "0.08838834764831845", "700"],
    [0, "0.08838834764831845", "0.125", "500"], [0, "0.9170040432046712", "1", "32"]]}]}]"""
)
CUSTOM = json.loads(  # and for custom ones (NHCB), as Prometheus 3 stores classic histograms
    """[{"metric": {}, "histogram": [1790000000.123, {"count": "20", "sum": "41.5", "buckets": [
    [0, "0.1", "0.5", "12"], [0, "0.5", "1", "7"], [0, "1", "+Inf", "1"]]}]}]"""
)


def test_native_histograms_can_decide_any_threshold() -> None:
    """Exponential buckets have no end; custom ones have where the last begins, if something was observed there."""
    [series] = buckets(NATIVE)
    assert (series.value, series.at) == (1234, 1790000000.123)
    assert top_boundary([series]) == float("inf")
    assert top_boundary(buckets(CUSTOM)) == 1
    empty = [{"metric": {}, "histogram": [1.0, {"count": "0", "sum": "0"}]}]
    assert top_boundary(buckets(empty)) == float("inf")
    assert buckets([]) == []
    assert top_boundary([]) is None


@pytest.mark.parametrize(
    "histogram",
    (
        None,
        [1.0],
        [1.0, []],
        [1.0, {}],
        [1.0, {"count": "1", "buckets": {}}],
        [1.0, {"count": "1", "buckets": [3]}],
        [1.0, {"count": "1", "buckets": [[0, "1", "2"]]}],
        [1.0, {"count": "1", "buckets": [[0, "wide", "2", "1"]]}],
    ),
)
def test_a_native_histogram_of_another_shape_says_why(histogram: Any) -> None:
    """It is untrusted as everything else."""
    with pytest.raises(ResponseInvalid):
        buckets([{"metric": {}, "histogram": histogram}])


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def protobuf(number: int, value: float | bytes) -> bytes:
    """A field: an unsigned integer, a double, or bytes."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def native_family(name: str, count: int) -> bytes:
    """A native histogram of schema 0 with `count` observations between 1 and 2 s, as an exporter sends it."""
    span = protobuf(1, 2) + protobuf(2, 1)  # one bucket, the first above 1: the offset 1 as zigzag
    histogram = protobuf(1, count) + protobuf(2, 1.5 * count) + protobuf(6, 0.001) + protobuf(7, 0)
    histogram += protobuf(12, span) + protobuf(13, varint(count << 1))
    family = protobuf(1, name.encode()) + protobuf(3, 4) + protobuf(4, protobuf(7, histogram))
    return varint(len(family)) + family


KIND = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def test_a_real_server_with_native_histograms_is_measured() -> None:
    """Scraped as protobuf: the latency lies in its bucket, the observations are counted, every threshold can be decided."""
    scrapes = count()

    def answer(_: WebRequest) -> Reply:
        names = ("http_request_duration_seconds", "db_query_duration_seconds")
        number = 100 * next(scrapes)
        return Reply(b"".join(native_family(name, number) for name in names), headers={"Content-Type": KIND})

    with serve(answer) as web, prometheus(scraping(web.url), "--enable-feature=native-histograms") as url:
        until(lambda: len(web.requests) > 18, 60)
        source = PrometheusSource(url, native=True, window=2)
        reading = source.read()[Metric.API_LATENCY_P95]
        facts = source.query_facts()
        source.close()
    assert (reading.error, reading.series, reading.top_bucket) == ("", 1, float("inf"))
    assert reading.value == pytest.approx(1.95, abs=0.05)
    assert reading.requests is not None
    assert reading.requests > 200
    assert reading.age is not None
    assert 0 <= reading.age < 1
    assert facts["api_latency_p95.buckets"].series == 1
    assert facts["api_latency_p95.timestamp"].interval == pytest.approx(0.2, rel=0.4)


@pytest.mark.parametrize("native", (False, True))
def test_a_real_server_parses_every_built_in_query(native: bool) -> None:
    """Of both kinds of histogram, and the query for the interval."""
    with prometheus("", "--enable-feature=native-histograms") as url:
        source = PrometheusSource(url, native=native)
        facts = source.query_facts()
        source.close()
    assert len(facts) == 11
    assert {name: fact.error for name, fact in facts.items() if fact.error} == {}
    assert {fact.series for fact in facts.values()} == {0}


def test_the_facts_of_every_query_of_a_scraped_application() -> None:
    """Number of series, value, the interval between two samples of a series, and what the server refuses."""
    exporters = [Exporter(), Exporter()]
    own = {"db_latency_p95": "sum((", "db_connections": "scalar(vector(0.5))"}
    with (
        serve(exporters[0].answer) as one,
        serve(exporters[1].answer) as other,
        prometheus(scraping(one.url, other.url)) as url,
    ):
        for exporter in exporters:
            exporter.serve("200", times=100)
        until(lambda: len(one.requests) > 25, 60)
        source = PrometheusSource(url, window=3, queries=own)
        facts = source.query_facts()
        source.close()
    assert facts["api_latency_p95.buckets"].series == 6
    assert facts["error_rate"].series == 1
    assert facts["error_rate.timestamp"].interval == pytest.approx(
        0.2, rel=0.2
    )  # of one replica, not of two in turn
    assert facts["api_latency_p95"].interval == pytest.approx(0.2, rel=0.4)
    assert facts["db_latency_p95"].refused
    assert "parse error" in facts["db_latency_p95"].error
    assert (facts["db_connections"].value, facts["db_connections"].interval) == (0.5, None)
    assert not facts["db_latency_p95.requests"].refused


def test_the_interval_is_known_where_the_query_names_the_series() -> None:
    """The built-in ones, and those that belong to a plain series."""
    built_in = default_queries(60)["error_rate.timestamp"]
    assert interval_query(built_in, 60) == (
        "min(60 / (count_over_time(http_requests_total[60s]) and http_requests_total offset 60s))"
    )
    assert interval_query('max(timestamp(up{job="a(b)"}))', 60) is None
    assert interval_query("max(timestamp(rate(x[1m])))", 60) is None
    assert interval_query("vector(1)", 60) is None
