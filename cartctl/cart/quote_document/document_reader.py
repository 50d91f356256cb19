"""Reading the document of `cartctl cart quote`: strict JSON, then its models, then a pricing request."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from cartctl.cart.errors import InputError
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.quote_document.conversion import request_of
from cartctl.cart.quote_document.field_types import FieldError, Heading, Inexact, quoted, read_moment
from cartctl.cart.quote_document.models import QuoteDocument
from cartctl.cart.quote_document.validation_errors import first_error

LARGEST_DOCUMENT = 2**20  # bytes
_LONGEST_INTEGER = 40  # digits


def read_quote(document: bytes) -> PricingRequest:
    """The request that a JSON document describes. Raises InputError with the path of the first field that is wrong."""
    raw = _json(document)
    if not isinstance(raw, dict):
        raise InputError("", f"The document must be an object, not {quoted(raw)}.")
    heading = _heading(raw)
    try:
        parsed = QuoteDocument.model_validate(raw, context=heading)
    except ValidationError as failed:
        raise first_error(failed) from failed
    return request_of(parsed, heading)


def quote_schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return QuoteDocument.model_json_schema(by_alias=True)


def _heading(raw: dict[str, Any]) -> Heading:
    """What the other fields depend on is read first; wrong types are left for the models to refuse."""
    code, now = raw.get("currency"), raw.get("now")
    if not isinstance(code, str) or isinstance(code, Inexact):
        raise InputError("currency", "is missing" if code is None else f"must be text, not {quoted(code)}")
    heading = Heading(currency(code), datetime.max.replace(tzinfo=UTC), _company(raw))
    try:
        return replace(heading, now=read_moment(now)) if now is not None else heading
    except FieldError as wrong:
        raise InputError("now", str(wrong)) from wrong


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
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise InputError("", f"The document repeats the key {quoted(name)} in one object.")
        if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
            raise InputError("", f"The document has the key {quoted(name)} with an invalid character.")
        result[name] = value
    return result
