"""`monitor` with queries of one's own: what `--check-queries` reports of each, and one that the source cannot parse."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cartctl.adapters.metrics.prometheus import PrometheusSource
from cartctl.adapters.metrics.source import Metric
from cartctl.checks.queries import Queries
from cartctl.cli import app
from cartctl.config.model.environment import Thresholds
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.monitoring.thresholds import rules_of
from tests.adapters.test_prometheus import Exporter, Scraped
from tests.prometheus import prometheus, scraping, until
from tests.web import serve

FILE = """
[env.shop.database]
dsn = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"
[env.shop.http]
api = "http://127.0.0.1:1"
timeout = "1s"
[env.shop.monitor]
minimum_requests = 0
[env.shop.metrics]
kind = "prometheus"
url = "{url}"
scrape_interval = "1s"

[env.shop.metrics.queries]
db_connections = "vector(0.5)"
"error_rate.requests" = 'sum(increase(http_requests_total[30s])'
"""


@pytest.fixture(scope="module")
def scraped() -> Iterator[Scraped]:
    """A Prometheus that scrapes an application which serves."""
    exporter = Exporter()
    with serve(exporter.answer) as web, prometheus(scraping(web.url)) as url:
        exporter.serve("200", times=100)
        until(lambda: len(web.requests) > 25, 60)
        yield Scraped(url, exporter, web)


def results(
    scraped: Scraped, interval: float, queries: Mapping[str, str] | None = None
) -> dict[str, CheckResult]:
    """Every result by its name."""
    source = PrometheusSource(scraped.url, window=3, queries=queries)
    rules = rules_of(Thresholds(), staleness=3, minimum_requests=1)
    check = Queries("queries", source, None, rules, settle=0, interval=interval)
    scraped.exporter.serve("200", times=100)
    outcome = len(scraped.web.requests)
    until(lambda: len(scraped.web.requests) > outcome + 2, 60)
    actual = {result.name: result for result in check.judge(Pulse()).checks}
    source.close()
    return actual


def test_every_query_is_reported_with_series_freshness_interval_and_buckets(scraped: Scraped) -> None:
    """What the built-in queries give for an application that has one of the two histograms."""
    outcome = results(scraped, 0.2)
    assert len(outcome) == 1 + 11
    assert str(outcome["error_rate"].observed).startswith("0.0%, 1 series, ")
    assert "1 series, " in str(outcome["error_rate.timestamp"].observed)
    assert re.search(r"sampled every 0\.[12]\d* s$", str(outcome["error_rate.timestamp"].observed))
    assert outcome["api_latency_p95.buckets"].observed == "6 series, boundaries up to 5 s can decide 2 s"
    assert outcome["api_latency_p95.buckets"].verdict is Verdict.PASS
    for part in ("", ".requests", ".timestamp", ".buckets"):
        result = outcome[f"db_latency_p95{part}"]
        assert result.verdict is Verdict.FAIL
    assert outcome["db_latency_p95.timestamp"].observed == "0 series"


def test_an_interval_longer_than_configured_warns_and_fails_where_no_rate_is_left(scraped: Scraped) -> None:
    """A rate needs two samples in its window."""
    result = results(scraped, 0.1)["error_rate.timestamp"]
    assert (result.verdict, result.expected) == (Verdict.WARN, "a sample every 0.1 s")
    assert "metrics.scrape_interval" in result.hint


def test_buckets_that_end_below_the_threshold_are_named(scraped: Scraped) -> None:
    """And several series where one is needed."""
    own = {
        "api_latency_p95.buckets": 'count by (le) (http_request_duration_seconds_bucket{le=~"0.1|0.5"})',
        "error_rate.requests": "http_requests_total or up",
    }
    outcome = results(scraped, 0.2, own)
    result = outcome["api_latency_p95.buckets"]
    assert result.verdict is Verdict.FAIL
    assert result.observed == "2 series, the histogram ends at 500 ms, below the critical 2 s"
    assert (outcome["error_rate.requests"].verdict, outcome["error_rate.requests"].observed) == (
        Verdict.FAIL,
        "2 series",
    )


@pytest.mark.parametrize("how", (("--check-queries",), ("--once",), ("--for", "1m")))
def test_a_query_that_cannot_be_parsed_ends_with_file_line_and_key(
    scraped: Scraped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: tuple[str, ...]
) -> None:
    """Exit code 2 before anything is monitored."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cartctl.toml").write_text(FILE.format(url=scraped.url))
    result = CliRunner().invoke(app, ["monitor", *how, "-o", "json"])
    document = json.loads(result.stdout)
    assert (result.exit_code, document["kind"]) == (2, "error")
    place = 'cartctl.toml:16: `env.shop.metrics.queries."error_rate.requests"` is not a valid query: '
    assert document["message"].startswith(place)
    assert "parse error" in document["message"]


def test_a_query_that_the_data_does_not_fit_is_no_error_of_the_configuration(scraped: Scraped) -> None:
    """It fails in the check, where its reason is shown."""
    own = {"error_rate": "http_requests_total * on () group_left () (up or http_requests_total)"}
    result = results(scraped, 0.2, own)
    assert result[Metric.ERROR_RATE].verdict is Verdict.FAIL
    assert "many" in str(result[Metric.ERROR_RATE].observed)
