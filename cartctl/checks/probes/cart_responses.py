"""The three answers of the cart: the shape each must have, its truth by SQL, and how the two are compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cartctl.adapters.postgres import Connection
from cartctl.checks.probes import expected_responses

Differences = list[str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: the shape its body must have, the truth by SQL, and how the two are compared."""

    path: str
    shape: Callable[[Any], str]  # what is wrong with the body, or an empty string
    truth: Callable[[Connection, str, Any], Any]  # from connection, company and body
    compare: Callable[[Any, Any], Differences]  # body and truth


def _list_shape(body: Any) -> str:
    if not isinstance(body, list):
        return f"a JSON {type(body).__name__}, not an array"
    return "" if all(isinstance(cart, Mapping) and "id" in cart for cart in body) else "a cart without an id"


def _list_differences(body: list[Mapping[str, Any]], truth: Mapping[str, str]) -> Differences:
    """A page of the list may be shorter than the list: all of it is looked for only where any page must hold it."""
    listed = {str(cart["id"]): str(cart.get("status", "")) for cart in body}
    differences = [
        f"{len(foreign)} carts of another company or of none"
        for foreign in [listed.keys() - truth.keys()]
        if foreign
    ]
    missing = truth.keys() - listed.keys()
    if len(body) != len(listed):
        differences.append("a cart is listed twice")
    if missing and (len(truth) <= expected_responses.PAGE or len(body) < expected_responses.PAGE):
        differences.append(f"{len(missing)} of {len(truth)} carts are missing")
    wrong = [cart for cart, status in listed.items() if status and truth.get(cart, status) != status.upper()]
    return differences + (
        [f"status differs from the database: {', '.join(sorted(wrong)[:3])}"] if wrong else []
    )


def _stats_shape(body: Any) -> str:
    if not isinstance(body, Mapping):
        return f"a JSON {type(body).__name__}, not an object"
    wrong = [
        name
        for name in (*expected_responses.STATUSES, "total", "totalValue")
        if _number(body.get(name)) is None and (name != "totalValue" or body.get(name, "") is not None)
    ]
    return f"no number in {', '.join(wrong)}" if wrong else ""


def _stats_differences(body: Mapping[str, Any], truth: Mapping[str, Decimal]) -> Differences:
    return [
        f"{name} is {body[name]}, not {value}"
        for name, value in truth.items()
        if _number(body.get(name)) != value
    ]


_RATES = {
    "conversionRate": "conversion",
    "abandonmentRate": "abandonment",
    "recoveryRate": "recovery",
    "averageOrderValue": "order_value",
}


_ROUNDING = dict.fromkeys(_RATES, Decimal("0.00005")) | {"averageOrderValue": Decimal("0.005")}


def _overview_shape(body: Any) -> str:
    if not isinstance(body, Mapping):
        return f"a JSON {type(body).__name__}, not an object"
    for name in ("from", "to"):
        if _moment(body.get(name)) is None:
            return f"no time in {name}"
    rows = body.get("currencies")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and "currency" in row for row in rows):
        return "no list of currencies"
    missing = sorted({name for row in rows for name in ("carts", *_RATES) if name not in row})
    return f"a currency without {', '.join(missing)}" if missing else ""


def _overview_truth(connection: Connection, company: str, body: Mapping[str, Any]) -> Any:
    begin, end = _moment(body["from"]), _moment(body["to"])
    return expected_responses.rates(connection, company, begin, end) if begin and end else {}


def _overview_differences(
    body: Mapping[str, Any], truth: Mapping[str, expected_responses.Rates]
) -> Differences:
    reported = {row["currency"]: row for row in body["currencies"]}
    differences = [f"{currency} is missing" for currency in truth.keys() - reported.keys()]
    differences += [f"{currency} is not in the database" for currency in reported.keys() - truth.keys()]
    for currency in sorted(truth.keys() & reported.keys()):
        row, rates = reported[currency], truth[currency]
        pairs = {
            "carts": Decimal(rates.carts),
            **{name: getattr(rates, field) for name, field in _RATES.items()},
        }
        differences += [
            f"{currency} {name} is {row[name]}, not {value}"
            for name, value in pairs.items()
            if not _near(row[name], value, _ROUNDING.get(name, Decimal(0)))
        ]
    return differences


def _near(reported: Any, value: Decimal | None, tolerance: Decimal) -> bool:
    """Equal after rounding; nothing equals only nothing."""
    if reported is None or value is None:
        return reported is value
    number = _number(reported)
    return number is not None and abs(number - value) <= tolerance


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


ENDPOINTS = (
    Endpoint(
        "/api/admin/carts",
        _list_shape,
        lambda c, company, _: expected_responses.carts(c, company),
        _list_differences,
    ),
    Endpoint(
        "/api/admin/carts/stats",
        _stats_shape,
        lambda c, company, _: expected_responses.stats(c, company),
        _stats_differences,
    ),
    Endpoint(
        "/api/admin/ecommerce-analytics/overview", _overview_shape, _overview_truth, _overview_differences
    ),
)
