"""The content of a Prometheus API response, validated completely, since it is untrusted. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INFO = "PromQL info:"
LATEST = 253_402_300_799.0  # seconds since 1970; the last moment that a date can represent
_SHOWN = 300  # characters of a server's own words


class ResponseInvalid(ValueError):
    """A response without a usable value; the text says why."""


class ResponsePartial(ResponseInvalid):
    """A response that lacks part of the server's data: its values may be wrong."""


class QueryRefused(ResponseInvalid):
    """The server cannot parse or evaluate the query itself, whatever the data."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series at one time: labels, evaluation time (seconds since 1970; None: not a usable time), value.

    `top` is a native histogram's highest finite boundary, infinite where its buckets have no end.
    """

    labels: Mapping[str, Any]
    at: float | None
    value: float
    top: float | None = None


def result_of(status: int, body: Any) -> Any:
    """`data.result` of a successful and complete response. Raises ResponseInvalid, with the server's own error."""
    if not isinstance(body, dict):
        raise ResponseInvalid(f"HTTP {status} without a JSON object")
    if status != 200 or body.get("status") != "success":  # noqa: PLR2004 - HTTP's OK
        kind = QueryRefused if _refuses(body) else ResponseInvalid
        raise kind(f"HTTP {status}: {_words(body.get('error') or body.get('status'))}")
    if warnings := _warnings(body.get("warnings")):
        raise ResponsePartial(f"it warns: {warnings}")
    data = body.get("data")
    if body.get("isPartial") or (isinstance(data, dict) and data.get("isPartial")):
        raise ResponsePartial("the response is partial")
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        raise ResponseInvalid("the response has no result")
    return data["result"]


def _refuses(body: Mapping[str, Any]) -> bool:
    """Whether an error is caused by the query: Prometheus has a type for it, VictoriaMetrics only a message."""
    kind, error = body.get("errorType"), body.get("error")
    return kind == "bad_data" or (
        kind in ("400", "422") and isinstance(error, str) and "cannot parse" in error
    )


def _warnings(given: Any) -> str:
    """The server's warnings; without the notes about the query that Prometheus 2.48 to 2.53 adds there."""
    if not isinstance(given, list):
        return _words(given) if given else ""
    return _words("; ".join(str(one) for one in given if not str(one).startswith(INFO)))


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
            raise ResponseInvalid(
                "the query returns a range vector; an instant vector or a scalar is required"
            )
        if "histogram" in one:
            raise ResponseInvalid("the query returns a native histogram; use histogram_quantile on it")
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


def buckets(result: list[Any]) -> list[Series]:
    """As `instant`, but a series may be a native histogram, whose value is its number of observations."""
    if not any(isinstance(one, dict) and "histogram" in one for one in result):
        return instant(result)
    return [_native(one) if isinstance(one, dict) and "histogram" in one else _series(one) for one in result]


def _native(one: dict[str, Any]) -> Series:
    """Exponential buckets have no end; custom ones end below the bucket that reaches to infinity."""
    point = one["histogram"]
    if not isinstance(point, list) or len(point) != 2 or not isinstance(point[1], dict):  # noqa: PLR2004 - a time and a histogram
        raise ResponseInvalid(f"not a time and a histogram: {_words(point)}")
    at, value = _point([point[0], point[1].get("count")])
    rows = point[1].get("buckets", [])
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 4 for row in rows):  # noqa: PLR2004 - kind, limits, count
        raise ResponseInvalid("a native histogram has buckets unlike Prometheus's")
    ends = [(_number(row[1]), _number(row[2])) for row in rows]
    return Series({}, at, value, min((left for left, right in ends if right == math.inf), default=math.inf))


def top_boundary(series: list[Series]) -> float | None:
    """The highest finite boundary of a histogram's buckets (`le`), infinite for a native one without an upper bound.

    Raises ResponseInvalid for a boundary that is not a number.
    """
    native = [one.top for one in series if one.top is not None]
    bounds = [_number(one.labels["le"]) for one in series if "le" in one.labels]
    return max(native + [bound for bound in bounds if math.isfinite(bound)], default=None)


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
    """The start of a server's message, on one line. Only text is shown: a structure may have any depth."""
    if not isinstance(given, str | int | float | None):
        return f"a {type(given).__name__}"
    try:
        text = str(given)
    except ValueError:  # an integer of thousands of digits
        return "a very large number"
    return " ".join(text[: 4 * _SHOWN].split())[:_SHOWN]
