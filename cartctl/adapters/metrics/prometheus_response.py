"""What a Prometheus API response says, checked down to the last value: whatever answers there is untrusted. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LATEST = 253_402_300_799.0  # seconds since 1970; the last moment that a date can hold
_SHOWN = 300  # characters of a server's own words


class ResponseInvalid(ValueError):
    """Not a response that a figure can be taken from; the text says why."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series at one time: labels, evaluation time (seconds since 1970; None: not a usable time), value."""

    labels: Mapping[str, Any]
    at: float | None
    value: float


def result_of(status: int, body: Any) -> Any:
    """`data.result` of a successful and complete response. Raises ResponseInvalid, with the server's own error."""
    if not isinstance(body, dict):
        raise ResponseInvalid(f"HTTP {status} without a JSON object")
    if status != 200 or body.get("status") != "success":  # noqa: PLR2004 - HTTP's OK
        raise ResponseInvalid(f"HTTP {status}: {_words(body.get('error') or body.get('status'))}")
    if warnings := body.get("warnings"):
        text = "; ".join(map(str, warnings)) if isinstance(warnings, list) else str(warnings)
        raise ResponseInvalid(f"it warns: {_words(text)}")
    data = body.get("data")
    if body.get("isPartial") or (isinstance(data, dict) and data.get("isPartial")):
        raise ResponseInvalid("the response is partial")
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        raise ResponseInvalid("the response has no result")
    return data["result"]


def instant(result: list[Any]) -> list[Series]:
    """The series of an instant query: a vector, or a scalar as one series without labels. Raises ResponseInvalid."""
    if result and not isinstance(result[0], dict):
        return [Series({}, *_point(result))]
    return [_series(one) for one in result]


def _series(one: Any) -> Series:
    if not isinstance(one, dict):
        raise ResponseInvalid(f"a series is not an object: {_words(one)}")
    if "value" not in one:
        if "values" in one:
            raise ResponseInvalid("the query gives a range vector; an instant vector or a scalar is needed")
        if "histogram" in one:
            raise ResponseInvalid("the query gives a native histogram; take its histogram_quantile")
        raise ResponseInvalid("a series has no value")
    labels = one.get("metric")
    return Series(labels if isinstance(labels, dict) else {}, *_point(one["value"]))


def only_range(result: list[Any]) -> dict[float, float]:
    """The values of the only series of a range query by their time; empty for another number of series.

    Raises ResponseInvalid.
    """
    if len(result) != 1:
        return {}
    if not isinstance(result[0], dict) or not isinstance(result[0].get("values"), list):
        raise ResponseInvalid("a series has no values")
    points = (_point(one) for one in result[0]["values"])
    return {at: value for at, value in points if at is not None}


def top_boundary(series: list[Series]) -> float | None:
    """The highest finite `le` of a histogram's buckets. Raises ResponseInvalid for one that is not a number."""
    bounds = [_number(one.labels["le"]) for one in series if "le" in one.labels]
    return max((bound for bound in bounds if math.isfinite(bound)), default=None)


def _point(point: Any) -> tuple[float | None, float]:
    if not isinstance(point, list) or len(point) != 2:  # noqa: PLR2004 - a time and a value
        raise ResponseInvalid(f"not a time and a value: {_words(point)}")
    at = _number(point[0])
    return (at if 0 <= at <= LATEST else None), _number(point[1])


def _number(given: Any) -> float:
    if isinstance(given, str | int | float) and not isinstance(given, bool):
        try:
            return float(given)
        except (ValueError, OverflowError):
            pass
    raise ResponseInvalid(f"not a number: {_words(given)}")


def _words(given: Any) -> str:
    """Some of the server's words on one line. Only a text is repeated: a structure may have any depth."""
    if not isinstance(given, str | int | float | None):
        return f"a {type(given).__name__}"
    try:
        text = str(given)
    except ValueError:  # an integer of thousands of digits
        return "a very large number"
    return " ".join(text[: 4 * _SHOWN].split())[:_SHOWN]
