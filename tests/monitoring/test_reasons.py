"""What the monitor says of a reading, a path, a trigger and the logs; and the exact limits of each rule."""

import json
import math
from typing import Any

import pytest

from cartctl.adapters.http.client import Response
from cartctl.adapters.log_lines import LogLine
from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.config.model.environment import Thresholds
from cartctl.config.model.monitoring import Logs
from cartctl.monitoring.logs import Hit, LogRules, LogSummary, Tally
from cartctl.monitoring.probes import judge_path
from cartctl.monitoring.thresholds import Limits, MetricVerdict, cannot_decide, judge, rules_of
from cartctl.monitoring.triggers import (
    Failures,
    Interval,
    Sample,
    Sign,
    SpanRule,
    TriggerState,
    error_rate_trigger,
    horizon,
)
from tests.monitoring.test_thresholds import RULES, reading

RATE, API, POOL = Metric.ERROR_RATE, Metric.API_LATENCY_P95, Metric.DB_CONNECTIONS


@pytest.mark.parametrize(
    ("metric", "value", "changes", "verdict", "reason"),
    (
        (RATE, 0.0, {}, MetricVerdict.OK, ""),
        (RATE, 0.02, {}, MetricVerdict.WARNING, "above 1.0%"),
        (RATE, 0.2, {}, MetricVerdict.CRITICAL, "above 5.0%"),
        (API, 3.0, {}, MetricVerdict.CRITICAL, "above 2 s"),
        (RATE, 0.0, {"series": 0}, MetricVerdict.NO_DATA, "no series"),
        (RATE, 0.0, {"series": 2}, MetricVerdict.NO_DATA, "2 series, expected one"),
        (RATE, 0.0, {"age": None}, MetricVerdict.NO_DATA, "no fresh sample"),
        (RATE, 0.0, {"age": math.inf}, MetricVerdict.NO_DATA, "no fresh sample"),
        (RATE, 0.0, {"age": 61.4}, MetricVerdict.NO_DATA, "the newest sample is 61 s old; the limit is 60 s"),
        (RATE, 0.0, {"requests": None}, MetricVerdict.NO_DATA, "the number of requests is unknown"),
        (
            RATE,
            0.0,
            {"requests": 49.0},
            MetricVerdict.LOW_TRAFFIC,
            "49 requests in the window; 50 are required",
        ),
        (RATE, -0.1, {}, MetricVerdict.NO_DATA, "the value is -0.1"),
        (API, 0.1, {"top_bucket": None}, MetricVerdict.NO_DATA, "the histogram's boundaries are unknown"),
        (
            API,
            0.1,
            {"top_bucket": 1.5},
            MetricVerdict.NO_DATA,
            "the histogram ends at 1.5 s, below the critical 2 s",
        ),
        (RATE, 0.0, {"error": "refused", "series": 0}, MetricVerdict.ERROR, "refused"),
        (API, 2.0, {"top_bucket": 2.5}, MetricVerdict.WARNING, "above 500 ms"),
        (API, 2.0, {"top_bucket": 2.0}, MetricVerdict.CRITICAL, "above 2 s"),
        (POOL, 0.95, {"top_bucket": 0.95}, MetricVerdict.WARNING, "above 80.0%"),
        (POOL, 0.5, {"requests": 0.0}, MetricVerdict.OK, ""),
    ),
)
def test_every_verdict_has_its_reason(
    metric: Metric, value: float, changes: dict[str, Any], verdict: MetricVerdict, reason: str
) -> None:
    """With the values and their units."""
    assert judge(reading(metric, value, **changes), RULES) == (verdict, reason)


def test_without_a_minimum_any_number_of_requests_is_enough() -> None:
    """Also an unknown one, where nobody wants to know it."""
    rules = rules_of(Thresholds(), staleness=30, minimum_requests=0)
    for requests in (None, math.nan, 0.0):
        assert judge(reading(RATE, 0.2, requests=requests), rules)[0] is MetricVerdict.CRITICAL
    one = rules_of(Thresholds(), staleness=30, minimum_requests=1)
    assert judge(reading(RATE, 0.2, requests=None), one)[0] is MetricVerdict.NO_DATA
    assert judge(reading(RATE, 0.2, age=30.0), one)[0] is MetricVerdict.CRITICAL
    assert judge(reading(RATE, 0.2, age=30.1), one)[0] is MetricVerdict.NO_DATA


def test_the_rules_are_those_of_the_thresholds() -> None:
    """Seconds and shares; which are rates, and which histograms."""
    rules = rules_of(Thresholds(), staleness=60, minimum_requests=50)
    assert (rules.staleness, rules.minimum_requests) == (60, 50)
    assert rules.limits == {
        POOL: Limits("share", 0.80, 0.95, rate=False),
        Metric.DB_LATENCY_P95: Limits("s", 0.1, 0.5, rate=True, histogram=True),
        RATE: Limits("share", 0.01, 0.05, rate=True),
        API: Limits("s", 0.5, 2.0, rate=True, histogram=True),
    }
    assert Limits("s", 1, 2, rate=True).histogram is False
    assert cannot_decide(2.0, RULES.limits[API]) == ""
    decided = {verdict for verdict in MetricVerdict if verdict.decided}
    blind = {verdict for verdict in MetricVerdict if verdict.blind}
    assert decided == {MetricVerdict.OK, MetricVerdict.WARNING, MetricVerdict.CRITICAL}
    assert blind == {MetricVerdict.NO_DATA, MetricVerdict.ERROR}
    assert Reading(RATE).series == 1


def response(status: int, body: object = None) -> Response:
    """A response with a body of JSON."""
    return Response(status, {}, json.dumps(body))


@pytest.mark.parametrize(
    ("name", "status", "body", "token", "result"),
    (
        ("auth", 401, None, False, (True, "HTTP 401 without a token")),
        ("auth", 200, {"company": 1}, False, (False, "HTTP 200 without a token")),
        ("auth", 401, None, True, (False, "HTTP 401")),
        ("auth", 200, {"company": {}}, True, (True, "a session")),
        ("auth", 200, {}, True, (False, "a session without a company")),
        ("auth", 200, [], True, (False, "not a JSON object")),
        ("payments", 401, None, False, (False, "HTTP 401")),
        ("payments", 200, {}, False, (True, "status ok")),
        ("payments", 200, {"status": "UP"}, True, (True, "status up")),
        ("payments", 200, {"status": "healthy"}, True, (True, "status healthy")),
        ("payments", 200, {"status": "pass"}, True, (True, "status pass")),
        ("payments", 200, {"status": None}, True, (False, "status none")),
        ("payments", 200, {"status": "degraded"}, True, (False, "status degraded")),
        ("orders", 503, {"status": "ok"}, True, (False, "HTTP 503")),
    ),
)
def test_every_response_of_a_critical_path_is_described(
    name: str, status: int, body: object, token: bool, result: tuple[bool, str]
) -> None:
    """By its status, and by what it says."""
    assert judge_path(name, response(status, body), token=token) == result


def test_maintenance_disturbs_what_its_window_touches() -> None:
    """Half open at both ends, to the millisecond; while it lasts, everything after it."""
    interval = Interval(100.0, 200.0)
    assert not interval.disturbs(100.0, 100.0, 60)
    assert interval.disturbs(100.001, 100.001, 60)
    assert interval.disturbs(259.999, 259.999, 60)
    assert not interval.disturbs(260.0, 260.0, 60)
    assert not interval.disturbs(260.0001, 260.0001, 60)
    assert Interval(100.0).disturbs(9000.0, 9000.0, 60)
    assert not Interval(100.0).disturbs(50.0, 100.0, 60)
    assert interval.disturbs(90.0, 101.0, 60)


@pytest.mark.parametrize(
    ("begin", "state"), ((149.9, "pending"), (150.0, "pending"), (155.0, "pending"), (165.0, "fired"))
)
def test_maintenance_between_two_samples_begins_a_new_span(begin: float, state: str) -> None:
    """Even if neither sample's window touches it; not if it begins with the later one, which is the newest."""
    rule = SpanRule(limit=100, max_gap=60, window=1)
    samples = [Sample(at, Sign.BREACH) for at in (*range(0, 151, 15), 165.0)]
    end = begin + 0.1 if begin < 165 else None
    shown = error_rate_trigger(samples, [Interval(begin, end)], rule)
    assert shown.state == state
    assert shown.for_seconds == (165.0 if state == "fired" else {149.9: 0.0}.get(begin, 0.0))


def test_times_count_to_the_millisecond() -> None:
    """What a source's stamps add below it neither fires nor separates."""
    rule = SpanRule(limit=100, max_gap=60, window=1)
    assert (
        error_rate_trigger([Sample(at, Sign.BREACH) for at in (0, 50, 100.0004)], (), rule).state == "pending"
    )
    assert (
        error_rate_trigger([Sample(at, Sign.BREACH) for at in (0, 50, 100.0006)], (), rule).state == "fired"
    )
    assert (
        error_rate_trigger([Sample(at, Sign.BREACH) for at in (0, 60.0004, 110)], (), rule).state == "fired"
    )
    assert (
        error_rate_trigger([Sample(at, Sign.BREACH) for at in (0, 60.0006, 110)], (), rule).state == "pending"
    )


def test_the_newest_breach_is_shown_and_a_value_that_is_not_known_is_not() -> None:
    """In per cent, to one digit."""
    rule = SpanRule(limit=300, max_gap=60, window=60)
    samples = [Sample(0, Sign.BREACH, 0.5), Sample(30, Sign.BREACH, 0.1234)]
    assert error_rate_trigger(samples, (), rule) == TriggerState(
        "error_rate", "pending", 30.0, "error rate 12.3%"
    )
    assert error_rate_trigger([Sample(0, Sign.BREACH)], (), rule).detail == ""
    assert error_rate_trigger((), (), rule) == TriggerState("error_rate", "clear", 0.0, "")
    shown = error_rate_trigger([Sample(0, Sign.BREACH), Sample(0.12345, Sign.BREACH)], (), rule)
    assert shown.for_seconds == 0.123


def test_samples_are_needed_for_twice_the_limit_a_gap_and_a_window() -> None:
    """In seconds."""
    assert horizon(SpanRule(300, 60, 90)) == 750
    assert horizon(SpanRule(7, 5, 3)) == 22


def test_the_worst_path_decides() -> None:
    """Failures in a row; a success, and a pause, clear them."""
    failures = Failures(2, {})
    assert failures.state() == TriggerState("critical_paths", "clear", 0.0, "")
    one = failures.after("a", ok=False).after("b", ok=True)
    assert one.state() == TriggerState("critical_paths", "pending", 0.0, "a failed 1 times in a row")
    two = one.after("b", ok=False).after("a", ok=False)
    assert two.state() == TriggerState("critical_paths", "fired", 0.0, "a failed 2 times in a row")
    assert two.after("a", ok=False).state().state == "fired"
    assert two.after("a", ok=True).state().detail == "b failed 1 times in a row"
    assert (two.reset().state().state, two.counts, two.limit) == ("clear", {"a": 2, "b": 1}, 2)


@pytest.mark.parametrize(
    ("text", "pattern"),
    (
        ("PrismaClientKnownRequestError", "prisma"),
        ("code P2002 for carts error", "prisma"),
        ("cart error", "cart"),
        ("ECommerce FATAL", "cart"),
        ('{"level": 50, "msg": "cart"}', "cart"),
        ('{"level":60,"msg":"cart"}', "cart"),
        ('{"level": 40, "msg": "cart"}', None),
        ("cart errors", None),
        ("error", None),
        ("cart", None),
    ),
)
def test_a_line_matches_by_the_cart_and_a_level_or_by_the_client(text: str, pattern: str | None) -> None:
    """Words whole; the database client alone is enough."""
    assert LogRules.of(Logs()).match(text) == pattern


def test_matches_are_counted_by_pattern_and_by_minute() -> None:
    """The first of the worst minutes is named; more than the limit warns."""
    tally = Tally(LogRules.of(Logs(errors_per_minute=2)))
    assert tally.summary() == LogSummary(0, {}, "", 0, 2)
    times = ("02:00:59", "02:01:00", "02:01:30", "02:02:00", "02:02:59")
    lines = [LogLine(f"2026-12-01T{time}Z", "api-1", "api", "cart error") for time in times]
    other = LogLine("2026-12-01T02:01:40Z", "api-1", "api", "hello")
    hits = tally.take([*lines, other])
    assert hits[0] == Hit("2026-12-01T02:00:59Z", "api-1", "api", "cart", "cart error")
    assert (len(hits), hits[-1].pattern) == (6, None)
    groups = tally.summary().groups
    assert [(group.message, group.count) for group in groups] == [("cart error", 5)]
    assert tally.summary() == LogSummary(6, {"cart": 5}, "2026-12-01T02:01", 2, 2, groups)
    assert not tally.summary().warned
    tally.take([LogLine("2026-12-01T02:02:10Z", "api-2", "api", "P2003")])
    summary = tally.summary()
    assert (summary.lines, summary.matches, summary.worst_minute, summary.most) == (
        7,
        {"cart": 5, "prisma": 1},
        "2026-12-01T02:02",
        3,
    )
    assert summary.warned
