"""The table of thresholds, verdict by verdict."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.config.model.environment import Thresholds
from cartctl.monitoring.thresholds import MetricVerdict, Rules, judge, rules_of

RULES = rules_of(Thresholds(), staleness=60, minimum_requests=50)
TOP = {Metric.API_LATENCY_P95: 10.0, Metric.DB_LATENCY_P95: 2.5}


def reading(metric: Metric, value: float | None, **changes: object) -> Reading:
    """A fresh reading with enough requests."""
    whole = Reading(metric, value, at=1000.0, age=1.0, requests=500.0, top_bucket=TOP.get(metric))
    return replace(whole, **changes)  # type: ignore[arg-type]


def verdict(metric: Metric, value: float | None, rules: Rules = RULES, **changes: object) -> MetricVerdict:
    """The verdict on such a reading."""
    return judge(reading(metric, value, **changes), rules)[0]


@pytest.mark.parametrize(
    ("metric", "warning", "critical"),
    (
        (Metric.DB_CONNECTIONS, 0.80, 0.95),
        (Metric.DB_LATENCY_P95, 0.1, 0.5),
        (Metric.ERROR_RATE, 0.01, 0.05),
        (Metric.API_LATENCY_P95, 0.5, 2.0),
    ),
)
def test_the_plans_table(metric: Metric, warning: float, critical: float) -> None:
    """Both bounds are strict, for every row of the table."""
    assert verdict(metric, 0.0) is MetricVerdict.OK
    assert verdict(metric, warning) is MetricVerdict.OK
    assert verdict(metric, warning * 1.001) is MetricVerdict.WARNING
    assert verdict(metric, critical) is MetricVerdict.WARNING
    assert verdict(metric, critical * 1.001) is MetricVerdict.CRITICAL


def test_five_per_cent_as_a_division_rounds_it_is_not_above_five_per_cent() -> None:
    """What only floating point puts above a bound is not above it."""
    assert verdict(Metric.ERROR_RATE, math.nextafter(0.05, 1)) is MetricVerdict.WARNING


@pytest.mark.parametrize("value", (None, math.nan, math.inf, -math.inf, -0.1))
@pytest.mark.parametrize("metric", tuple(Metric))
def test_what_is_no_number_is_no_data(metric: Metric, value: float | None) -> None:
    """Empty, NaN, infinite and negative values are never ok."""
    assert verdict(metric, value) is MetricVerdict.NO_DATA


@pytest.mark.parametrize("metric", tuple(Metric))
@pytest.mark.parametrize("series", (0, 2, 7))
def test_no_series_and_several_are_no_data(metric: Metric, series: int) -> None:
    """Exactly one series is expected, whatever its value."""
    assert verdict(metric, 0.0, series=series) is MetricVerdict.NO_DATA


@pytest.mark.parametrize("metric", tuple(Metric))
@pytest.mark.parametrize(
    ("age", "blind"), ((0, False), (60, False), (60.1, True), (None, True), (math.nan, True))
)
def test_an_old_sample_is_no_data(metric: Metric, age: float | None, blind: bool) -> None:
    """A sample older than the staleness bound counts for nothing, nor one whose age is not known."""
    assert (verdict(metric, 0.0, age=age) is MetricVerdict.NO_DATA) is blind


@pytest.mark.parametrize("metric", tuple(Metric))
def test_an_error_is_an_error(metric: Metric) -> None:
    """A measurement that failed is error, whatever else the reading holds."""
    assert verdict(metric, 0.0, error="refused") is MetricVerdict.ERROR


@pytest.mark.parametrize("value", (0.0, 1.0, math.nan))
@pytest.mark.parametrize("requests", (0.0, 49.9))
def test_too_few_requests_are_low_traffic(value: float, requests: float) -> None:
    """Neither a good nor a bad figure of a quiet minute is judged; it is not blindness either."""
    result = verdict(Metric.ERROR_RATE, value, requests=requests)
    assert result is MetricVerdict.LOW_TRAFFIC
    assert not result.blind
    assert not result.decided


def test_just_enough_requests_are_judged() -> None:
    """The minimum itself is enough."""
    assert verdict(Metric.ERROR_RATE, 0.2, requests=50.0) is MetricVerdict.CRITICAL


def test_old_counters_of_a_quiet_night_are_no_data() -> None:
    """Low traffic needs fresh counters."""
    assert verdict(Metric.ERROR_RATE, math.nan, requests=0.0, age=300.0) is MetricVerdict.NO_DATA


def test_an_unknown_number_of_requests_is_no_data() -> None:
    """Where it is not known whether there was traffic nothing is judged."""
    assert verdict(Metric.ERROR_RATE, 0.0, requests=None) is MetricVerdict.NO_DATA
    assert verdict(Metric.ERROR_RATE, 0.0, requests=math.nan) is MetricVerdict.NO_DATA


def test_connections_need_no_requests() -> None:
    """The pool can be full without any traffic."""
    assert verdict(Metric.DB_CONNECTIONS, 0.99, requests=None) is MetricVerdict.CRITICAL


@pytest.mark.parametrize("top", (None, 0.5, 1.0, 1.999))
@pytest.mark.parametrize("value", (0.01, 1.0))
def test_a_histogram_that_ends_below_the_critical_threshold_cannot_decide(
    top: float | None, value: float
) -> None:
    """A p95 beyond the last boundary would read as that boundary: such a histogram is no data."""
    assert verdict(Metric.API_LATENCY_P95, value, top_bucket=top) is MetricVerdict.NO_DATA


def test_a_p95_at_a_last_boundary_that_is_the_threshold_is_critical() -> None:
    """Saturated at the critical threshold, the true value lies at or beyond it."""
    assert verdict(Metric.API_LATENCY_P95, 2.0, top_bucket=2.0) is MetricVerdict.CRITICAL
    assert verdict(Metric.API_LATENCY_P95, 1.9, top_bucket=2.0) is MetricVerdict.WARNING


@given(
    metric=st.sampled_from(Metric),
    value=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    series=st.integers(0, 3),
    age=st.none() | st.floats(0, 1e6),
    requests=st.none() | st.floats(0, 1e6),
    top=st.none() | st.floats(0.001, 100),
    error=st.sampled_from(("", "refused")),
)
def test_ok_means_that_everything_was_there(
    metric: Metric,
    value: float | None,
    series: int,
    age: float | None,
    requests: float | None,
    top: float | None,
    error: str,
) -> None:
    """Whatever a source gives, ok is only said of one fresh, finite, well-founded value below the warning."""
    result, why = judge(Reading(metric, value, 1.0, age, series, requests, top, error), RULES)
    if result is MetricVerdict.OK:
        assert not error
        assert series == 1
        assert age is not None
        assert age <= 60
        assert value is not None
        assert 0 <= value <= RULES.limits[metric].warning * (1 + 1e-9)
        assert metric is Metric.DB_CONNECTIONS or (requests is not None and requests >= 50)
    else:
        assert why


def test_a_sample_from_the_sources_future_is_not_fresh() -> None:
    """It says nothing about now; rounding to the millisecond is no future."""
    assert judge(reading(Metric.ERROR_RATE, 0.0, age=-90.0), RULES) == (
        MetricVerdict.NO_DATA,
        "the newest sample is 90 s in the future by the source's clock",
    )
    assert verdict(Metric.ERROR_RATE, 0.0, age=-0.001) is MetricVerdict.NO_DATA
    assert verdict(Metric.ERROR_RATE, 0.0, age=-0.0004) is MetricVerdict.OK


def test_a_partial_response_is_no_data() -> None:
    """Whatever figures it has."""
    assert judge(reading(Metric.ERROR_RATE, 0.0, partial="a store is away"), RULES) == (
        MetricVerdict.NO_DATA,
        "a store is away",
    )
