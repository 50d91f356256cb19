"""What a Prometheus API may respond, valid or not: a figure, or one sentence why there is none."""

import json
from typing import Any

import pytest

from cartctl.adapters.metrics.prometheus import PrometheusSource
from cartctl.adapters.metrics.prometheus_response import (
    ResponseInvalid,
    instant,
    only_range,
    result_of,
    top_boundary,
)
from cartctl.adapters.metrics.source import Metric
from tests.web import Reply, serve

POINT = [1.0, "2"]
SERIES = {"metric": {}, "value": POINT}


def success(result: Any, **more: Any) -> dict[str, Any]:
    """A response with a result."""
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


@pytest.mark.parametrize(
    ("body", "reason"),
    (
        (None, "JSON object"),
        ([], "JSON object"),
        ("text", "JSON object"),
        ({}, "HTTP 200"),
        ({"status": "error", "error": "bad\nquery"}, "bad query"),
        ({"status": ["success"]}, "a list"),
        ({"status": "success"}, "no result"),
        ({"status": "success", "data": None}, "no result"),
        ({"status": "success", "data": []}, "no result"),
        (success(None), "no result"),
        (success({}), "no result"),
        (success("x"), "no result"),
        (success([], warnings=["a store is away"]), "a store is away"),
        (success([], warnings=7), "warns"),
        (success([], isPartial=True), "partial"),
        ({"status": "success", "data": {"result": [], "isPartial": True}}, "partial"),
    ),
)
def test_a_response_that_is_no_success_says_why(body: Any, reason: str) -> None:
    """Missing keys, other types, errors, warnings and partial responses."""
    with pytest.raises(ResponseInvalid, match=reason):
        result_of(200, body)
    with pytest.raises(ResponseInvalid, match="503"):
        result_of(503, success([SERIES]))


@pytest.mark.parametrize(
    ("result", "reason"),
    (
        ([{"metric": {}, "values": [POINT]}], "range vector"),
        ([{"metric": {}, "histogram": [1.0, {}]}], "native histogram"),
        ([{"metric": {}}], "no value"),
        ([SERIES, None], "not an object"),
        ([SERIES, [[]]], "not an object"),
        ([None], "not a time and a value"),
        ([1.0], "not a time and a value"),
        ([1.0, "a string"], "not a number"),
        ([1.0, None], "not a number"),
        ([1.0, True], "not a number"),
        ([1.0, 10**400], "not a number"),
        ([None, "1"], "not a number"),
        ([{"value": {}}], "not a time and a value"),
        ([{"value": [1.0, []]}], "not a number: a list"),
    ),
)
def test_an_instant_result_of_another_shape_says_why(result: list[Any], reason: str) -> None:
    """Range vectors, native histograms, strings, nulls and broken points."""
    with pytest.raises(ResponseInvalid, match=reason):
        instant(result)


def test_values_are_read_from_vectors_and_scalars() -> None:
    """Labels of another type are none; a time that no date can hold is none."""
    assert [one.value for one in instant([SERIES, SERIES])] == [2.0, 2.0]
    assert instant([5, "7"])[0].value == 7.0
    assert instant([{"metric": None, "value": [1, "NaN"]}])[0].labels == {}
    assert [instant([at, "1"])[0].at for at in (-1, 1e300, "Inf", "nan", 0)] == [None, None, None, None, 0.0]
    assert instant([]) == []


def test_a_range_is_that_of_the_only_series() -> None:
    """Several are none; values that are none are an error."""
    assert only_range([{"values": [[1, "2"], ["nan", "3"]]}]) == {1.0: 2.0}
    assert only_range([]) == only_range([{}, {}]) == {}
    wrongs: tuple[Any, ...] = ({}, {"values": None}, {"histograms": []}, None)
    for wrong in wrongs:
        with pytest.raises(ResponseInvalid):
            only_range([wrong])


def test_boundaries_are_numbers() -> None:
    """The highest finite one; one that is not a number is an error."""
    series = [instant([{"metric": {"le": le}, "value": POINT}])[0] for le in ("0.5", "2", "+Inf")]
    assert top_boundary(series) == 2.0
    with pytest.raises(ResponseInvalid, match="not a number"):
        top_boundary(instant([{"metric": {"le": "wide"}, "value": POINT}]))


@pytest.mark.parametrize(
    "body",
    (
        "[" * 100_000,
        json.dumps(success([SERIES])).replace("1.0", "NaN"),
        json.dumps(success([{"metric": {}, "values": [POINT]}])),
        json.dumps(success([{"metric": {"le": "wide"}, "value": POINT}])),
        json.dumps(success([[[[]]]])),
        '{"status": "success", "data": {"result": [1, ' + "9" * 5000 + "]}}",
        "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    ),
)
def test_no_response_ends_a_reading(body: str) -> None:
    """Whatever is responded, a reading and the past give figures or an error of ours."""
    with serve(lambda _: Reply(body, headers={"Content-Type": "application/json"})) as web:
        own = PrometheusSource(web.url, window=60)
        readings = own.read()
        own.close()
    assert all(readings[metric].error for metric in (Metric.API_LATENCY_P95, Metric.DB_LATENCY_P95))
