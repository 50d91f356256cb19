"""The Prometheus adapter against a real server that scrapes a real exporter."""

import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from cartctl.adapters.http.client import Access
from cartctl.adapters.metrics.prometheus import AT_ONCE, PrometheusSource
from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.errors import ConfigError
from tests.prometheus import prometheus, scraping, until
from tests.web import Reply, Web, WebRequest, serve

WINDOW = 4.0


class Exporter:
    """An application that counts what it is told happened."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("http_requests", "n", ["method", "route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "s",
            ["method", "route"],
            buckets=(0.1, 0.5, 1, 2, 5),
            registry=self.registry,
        )

    def serve(self, status: str, seconds: float = 0.2, times: int = 1) -> None:
        """So many requests were answered."""
        self.requests.labels("GET", "/x", status).inc(times)
        for _ in range(times):
            self.seconds.labels("GET", "/x").observe(seconds)

    def answer(self, _: WebRequest) -> Reply:
        """The scrape."""
        return Reply(
            generate_latest(self.registry).decode(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )


@dataclass
class Scraped:
    """A server and what it scrapes."""

    url: str
    exporter: Exporter
    web: Web


@pytest.fixture(scope="module")
def scraped() -> Iterator[Scraped]:
    """A Prometheus on loopback, stopped at the end."""
    exporter = Exporter()
    with serve(exporter.answer) as web, prometheus(scraping(web.url)) as url:
        until(lambda: len(web.requests) > 2, 30)
        yield Scraped(url, exporter, web)


@pytest.fixture
def source(scraped: Scraped) -> Iterator[PrometheusSource]:
    """The adapter over it."""
    made = PrometheusSource(scraped.url, window=WINDOW, timeout=30)
    yield made
    made.close()


def load(scraped: Scraped, source: PrometheusSource, good: int, bad: int, seconds: float = 0.2) -> Reading:
    """Traffic until it is measured: the error rate then."""
    for _ in range(12):
        scraped.exporter.serve("200", seconds, good)
        if bad:
            scraped.exporter.serve("500", seconds, bad)
        time.sleep(0.2)
    return source.read()[Metric.ERROR_RATE]


def test_a_healthy_api_has_an_error_rate_of_zero(scraped: Scraped, source: PrometheusSource) -> None:
    """Without a single 5xx series the rate is 0, fresh, over a known number of requests."""
    reading = load(scraped, source, 10, 0)
    assert reading.error == ""
    assert (reading.value, reading.series) == (0.0, 1)
    assert reading.age is not None
    assert 0 <= reading.age < 30
    assert reading.at is not None
    assert abs(reading.at - time.time()) < 30
    assert reading.requests is not None
    assert reading.requests > 20


def test_errors_and_latency_are_measured(scraped: Scraped, source: PrometheusSource) -> None:
    """A fifth of 5xx reads as a fifth, slow answers as slow, the histogram's end as its end."""
    load(scraped, source, 8, 2, 1.5)
    time.sleep(WINDOW / 2)
    reading = load(scraped, source, 8, 2, 1.5)
    assert reading.value == pytest.approx(0.2, abs=0.03)
    latency = source.read()[Metric.API_LATENCY_P95]
    assert latency.value is not None
    assert 1 < latency.value <= 2
    assert latency.top_bucket == 5


def test_what_nobody_exports_is_empty(source: PrometheusSource) -> None:
    """A histogram that does not exist has no series and no age; connections without a database are an error."""
    readings = source.read()
    missing = readings[Metric.DB_LATENCY_P95]
    assert (missing.value, missing.series, missing.age, missing.error) == (None, 0, None, "")
    assert readings[Metric.DB_CONNECTIONS].error


def test_the_past_is_read_back(scraped: Scraped, source: PrometheusSource) -> None:
    """A range query gives the error rates of the last seconds by their samples' own time, in order."""
    load(scraped, source, 10, 0)
    now = time.time()
    past = source.past_error_rates(now - 3, now)
    assert past
    assert [one.at for one in past] == sorted({one.at for one in past})
    assert all(now - 3 <= one.at <= now + 1 for one in past)
    assert past[-1].value is not None


def test_several_series_are_counted(scraped: Scraped) -> None:
    """A query of one's own that answers with several series says how many."""
    scraped.exporter.serve("200")
    scraped.exporter.serve("404")
    own = PrometheusSource(scraped.url, queries={"error_rate": "http_requests_total"}, window=WINDOW)
    until(lambda: own.read()[Metric.ERROR_RATE].series > 1)
    assert own.read()[Metric.ERROR_RATE].value is None
    own.close()


def test_an_own_series_reports_its_own_freshness(scraped: Scraped) -> None:
    """The age of a plain series comes from its own samples: it grows when scraping stops."""
    scraped.exporter.serve("200", times=1000)
    query = 'http_requests_total{status="200"}'
    own = PrometheusSource(scraped.url, queries={"error_rate": query}, window=WINDOW)
    until(lambda: (own.read()[Metric.ERROR_RATE].age or 9) < 1)
    assert own.queries["error_rate.timestamp"] == f"max(timestamp({query}))"
    own.close()


def test_an_expression_of_ones_own_is_as_old_as_the_requests(scraped: Scraped) -> None:
    """An expression's own time is that of its evaluation, so the counters' is taken."""
    own = PrometheusSource(scraped.url, queries={"error_rate": "vector(0.5)"}, window=WINDOW)
    assert own.queries["error_rate.timestamp"] == "max(timestamp(http_requests_total))"
    scraped.exporter.serve("200")
    until(lambda: own.read()[Metric.ERROR_RATE].age is not None)
    assert own.read()[Metric.ERROR_RATE].value == 0.5
    own.close()


def test_a_scalar_and_nan_pass_through(scraped: Scraped) -> None:
    """A scalar answer is one value; NaN stays NaN for the judge."""
    own = PrometheusSource(scraped.url, queries={"error_rate": "scalar(vector(0)) / 0"}, window=WINDOW)
    value = own.read()[Metric.ERROR_RATE].value
    assert value is not None
    assert math.isnan(value)
    own.close()


def test_a_wrong_query_is_an_error_of_its_metric_alone(scraped: Scraped) -> None:
    """What Prometheus refuses is told, other metrics are measured all the same."""
    own = PrometheusSource(scraped.url, queries={"error_rate": "sum(("}, window=WINDOW)
    readings = own.read()
    assert "parse error" in readings[Metric.ERROR_RATE].error
    assert readings[Metric.API_LATENCY_P95].error == ""
    own.close()


def test_nobody_there_is_an_error_at_once() -> None:
    """A server that is down does not hold the monitor with retries."""
    under_way = time.monotonic()
    own = PrometheusSource("http://127.0.0.1:9", window=WINDOW)
    assert all(reading.error for reading in own.read().values())
    assert time.monotonic() - under_way < 40
    own.close()


@pytest.mark.parametrize("name", ("eror_rate", "error_rate.request", "http_requests_total"))
def test_a_query_for_an_unknown_metric_is_refused(name: str) -> None:
    """A slip of the pen does not silently leave the default in place."""
    with pytest.raises(ConfigError, match=name) as caught:
        PrometheusSource("http://127.0.0.1:9", queries={name: "1"})
    assert "error_rate" in caught.value.hint


def test_a_server_that_hangs_is_waited_for_once() -> None:
    """One time limit per look, not one per query."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        own = PrometheusSource(f"http://127.0.0.1:{deaf.getsockname()[1]}", window=WINDOW, timeout=2.0)
        under_way = time.monotonic()
        assert all(reading.error for reading in own.read().values())
        assert time.monotonic() - under_way < 2.0 * len(Metric)
        own.close()


def test_queries_that_hang_share_one_deadline() -> None:
    """A server that tells its time and then hangs: every query is asked at once, and all end together."""
    gate, hanging = threading.Event(), []

    def answer(request: WebRequest) -> Reply:
        if "query=time" not in request.path:
            hanging.append(request.path)
            gate.wait(120)
        return Reply(vector(0))

    with serve(answer) as web:
        own = PrometheusSource(web.url, window=WINDOW, timeout=0.5)
        readings = own.read()
        gate.set()
        own.close()
    assert all(reading.error for reading in readings.values())
    assert 1 <= len(hanging) <= AT_ONCE  # the others found no time left


def test_all_queries_of_a_reading_have_one_evaluation_time() -> None:
    """That of the server's own clock, whatever the clock here says."""
    with serve(lambda _: Reply(vector(1, at=1234.5))) as web:
        own = PrometheusSource(web.url, window=WINDOW)
        own.read()
        own.close()
    times = [parse_qs(urlsplit(path).query).get("time") for path in web.paths()]
    assert times[0] is None
    assert len(times) == 1 + len(own.queries)
    assert {str(one) for one in times[1:]} == {"['1234.500']"}


def test_a_range_ends_at_the_very_time_that_was_requested() -> None:
    """Not at the nearest second."""
    with serve(lambda _: Reply({"status": "success", "data": {"resultType": "matrix", "result": []}})) as web:
        own = PrometheusSource(web.url, window=WINDOW)
        assert own.past_error_rates(1000.25, 1010.75) == []
        own.close()
    assert {tuple(parse_qs(urlsplit(path).query)["end"]) for path in web.paths()} == {("1010.750",)}


def vector(value: float, at: float = 1.0) -> dict[str, object]:
    """An answer with one value."""
    return {
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": {}, "value": [at, str(value)]}]},
    }


def test_a_response_with_a_warning_is_partial() -> None:
    """Its figures do not count, though its status is 200."""
    with serve(lambda _: Reply({**vector(0), "warnings": ["one store is away"]})) as web:
        own = PrometheusSource(web.url, window=WINDOW)
        reading = own.read()[Metric.ERROR_RATE]
        assert (reading.error, reading.value) == ("", None)
        assert "one store is away" in reading.partial
        own.close()


def test_the_token_goes_to_prometheus_and_to_no_other_host() -> None:
    """The token is sent as bearer; a redirect is an error and is not followed."""
    with serve(lambda _: Reply(vector(0))) as thief:
        target = thief.url.replace("127.0.0.1", "localhost")
        with serve(lambda _: Reply("", 302, {"Location": target})) as web:
            own = PrometheusSource(web.url, access=Access(token="t0ken"), window=WINDOW)
            error = own.read()[Metric.ERROR_RATE].error
            own.close()
    assert web.requests[0].headers["authorization"] == "Bearer t0ken"
    assert thief.requests == []
    assert "redirects" in error
    assert "t0ken" not in error


@pytest.mark.parametrize("body", ("no json", json.dumps({"status": "success"})))
def test_an_answer_that_is_none_is_an_error(body: str) -> None:
    """Whatever answers there, only Prometheus' form counts."""
    with serve(lambda _: Reply(body)) as web:
        own = PrometheusSource(web.url, window=WINDOW)
        assert own.read()[Metric.ERROR_RATE].error
        own.close()
