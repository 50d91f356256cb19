"""The document that `cartctl cart quote` reads, as a table of fields per object and the rules that fields have together.

The rows of promotions, tax rates, zones and rules are those of the database's tables; columns that no price depends on
are read, checked and left.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cartctl.cart.errors import InputError
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.gifts import line_id
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRounding
from cartctl.cart.quote_document.field_readers import (
    INT4,
    At,
    Field,
    Heading,
    Inexact,
    amount,
    flag,
    many,
    moment,
    nested,
    number,
    one_of,
    record,
    refuse_doubles,
    text,
    told,
    whole,
)
from cartctl.cart.quote_document.table_rows import (
    PROMOTIONS,
    TAX_RATES,
    ZONES,
    country,
    refuse_unknown_state,
    unit,
)

LARGEST_DOCUMENT = 2**20  # bytes
_LONGEST_INTEGER = 40  # digits
_HEAVIEST = Decimal(10) ** 7


def _address(found: dict[str, Any], at: At) -> Address:
    refuse_unknown_state(found.get("state"), found["country"], at.key("state"))
    return Address(**found)


def _line(found: dict[str, Any], _at: At) -> Line:
    return Line(**found)


def _stock(value: Any, at: At) -> Mapping[str, int]:
    if not isinstance(value, dict):
        raise at.refusal(f"must be an object, not {told(value)}")
    return {product: whole(0)(units, at.key(told(product).strip("'"))) for product, units in value.items()}


ADDRESS = nested(
    {
        "country": Field("country", country, required=True),
        "state": Field("state", text),
        "city": Field("city", text),
        "postalCode": Field("postal_code", text),
    },
    _address,
)

LINE = nested(
    {
        "id": Field("id", text, required=True),
        "productId": Field("product_id", text, required=True),
        "variantId": Field("variant_id", text),
        "category": Field("category", text),
        "unitPrice": Field("unit_price", amount, required=True),
        "quantity": Field("quantity", whole(1), required=True),
        "weight": Field("weight", number(12, _HEAVIEST)),
        "weightUnit": Field("weight_unit", unit),
    },
    _line,
)

DOCUMENT = {
    "currency": Field("currency", text, required=True),
    "taxMode": Field("tax_mode", one_of(TaxMode), required=True),
    "taxRounding": Field("tax_rounding", one_of(TaxRounding)),
    "taxShipping": Field("tax_shipping", flag),
    "now": Field("now", moment, required=True),
    "companyId": Field("company_id", text),
    "customerId": Field("customer_id", text),
    "shippingRequired": Field("shipping_required", flag),
    "shippingRuleId": Field("shipping_rule_id", text),
    "shipTo": Field("ship_to", ADDRESS),
    "stock": Field("stock", _stock),
    "lines": Field("lines", many(LINE), required=True),
    "promotions": Field("promotions", PROMOTIONS),
    "taxRates": Field("tax_rates", TAX_RATES),
    "shippingZones": Field("zones", ZONES),
}


def read_quote(document: bytes) -> PricingRequest:
    """The request that a JSON document describes. Raises InputError with the path of the first field that is wrong."""
    raw = _json(document)
    if not isinstance(raw, dict):
        raise InputError("", f"The document must be an object, not {told(raw)}.")
    top = At("", _heading(raw))
    found = record(DOCUMENT, raw, top)
    lines: tuple[Line, ...] = found["lines"]
    gifts = [line_id(promotion.id) for promotion in found.get("promotions", ())]
    refuse_doubles([line.id for line in lines], top.key("lines"), taken=gifts)
    if sum(line.quantity for line in lines) > INT4:
        raise top.key("lines").refusal(f"must not have more than {INT4} units")
    return PricingRequest(**found | {"currency": top.heading.money})


def _heading(raw: dict[str, Any]) -> Heading:
    """What the other fields are read by is read first; wrong types are left for the table to refuse."""
    code, now = raw.get("currency"), raw.get("now")
    if not isinstance(code, str) or isinstance(code, Inexact):
        raise InputError("currency", "is missing" if code is None else f"must be text, not {told(code)}")
    heading = Heading(currency(code), datetime.max.replace(tzinfo=UTC), _company(raw))
    return replace(heading, now=moment(now, At("now", heading))) if now is not None else heading


def _company(raw: dict[str, Any]) -> str | None:
    """Whose document it is: the company that it names, or else the first one that a row names."""
    tables = (raw.get(name) for name in ("taxRates", "shippingZones"))
    rows = [raw, *(row for table in tables if isinstance(table, list) for row in table)]
    named = (row.get("companyId") for row in rows if isinstance(row, dict))
    return next((company for company in named if isinstance(company, str)), None)


def _json(document: bytes) -> Any:
    if len(document) > LARGEST_DOCUMENT:
        raise InputError("", f"The document is larger than {LARGEST_DOCUMENT} bytes.")
    try:
        return json.loads(
            document.decode(),
            parse_float=Inexact,
            parse_constant=Inexact,
            parse_int=lambda digits: int(digits) if len(digits) <= _LONGEST_INTEGER else Inexact(digits),
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as wrong:
        raise InputError("", f"The document is not UTF-8: byte {wrong.start}.") from wrong
    except json.JSONDecodeError as wrong:
        raise InputError(
            "", f"The document is not JSON: {wrong.msg} in line {wrong.lineno}, column {wrong.colno}."
        ) from wrong
    except RecursionError as deep:
        raise InputError("", "The document is nested too deeply.") from deep


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InputError("", f"The document has the key {told(name)} twice in one object.")
        found[name] = value
    return found
