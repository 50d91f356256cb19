"""The types of a quote document's fields: strict, exact, and with messages that say what a field must be.

A number with a fraction arrives as `Inexact` text, since no amount may pass through a float.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from cartctl.cart.enums import PromotionScope, PromotionType, ShippingRuleType, TaxType
from cartctl.cart.pricing.money import LARGEST, Currency
from cartctl.cart.pricing.places.address import country_error
from cartctl.cart.pricing.promotions.codes import is_code
from cartctl.cart.pricing.shipping.weights import GRAMS
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRounding

TEXT_LIMIT = 500  # characters of one text
INT4 = 2**31 - 1  # the database's integer columns
_DIGITS = 40  # characters of one number
_EXACT = r"^-?\d+(\.\d+)?$"
_HEAVIEST = Decimal(10) ** 7
_HEAVIEST_LIMIT = Decimal("9999999.999")

E = TypeVar("E", bound=StrEnum)


class FieldError(ValueError):
    """What is wrong with a field's value."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the other fields depend on: the currency of the amounts, the time, and the company."""

    money: Currency
    now: datetime
    company_id: str | None = None


class Inexact(str):
    """A number with a fraction or an exponent, as it was written: no money is read from it."""

    __slots__ = ()


def quoted(value: Any) -> str:
    """A value as an error quotes it: short, and without characters that a terminal would obey."""
    if isinstance(value, Mapping | list):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, Inexact):
        shown = str(value)
    else:
        shown = ascii(value) if isinstance(value, str) else json.dumps(value)
    return shown if len(shown) <= _DIGITS else f"{shown[:_DIGITS]}..."


def read_remark(value: Any) -> str:
    """Text of any length that no price depends on."""
    if not isinstance(value, str) or isinstance(value, Inexact):
        raise FieldError(f"must be text, not {quoted(value)}")
    return value


def read_text(value: Any) -> str:
    """Text of 1 to 500 characters."""
    given = read_remark(value)
    if not given.strip() or len(given) > TEXT_LIMIT:
        raise FieldError(f"must have 1 to {TEXT_LIMIT} characters")
    if not given.isascii() and any("\ud800" <= character <= "\udfff" for character in given):
        raise FieldError("contains an invalid character")
    if "\0" in given:
        raise FieldError("contains an invalid character")
    return given


def read_moment(value: Any) -> datetime:
    """A time in ISO 8601; without an offset it is UTC, as the database's are."""
    given = read_text(value)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as wrong:
        raise FieldError(f"must be a time such as 2026-01-31T12:00:00Z, not {quoted(given)}") from wrong
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_amount(value: Any, money: Currency) -> Decimal:
    """Money: text such as "12.49", not negative, no finer than the currency, no larger than a column."""
    amount = _bounded(_exact(value), 2, LARGEST)
    try:
        money.minor(amount)
    except ValueError as finer:
        raise FieldError(f"{money.code} has {money.decimals} decimals, not {quoted(value)}") from finer
    return amount


def read_number(value: Any, places: int, high: Decimal) -> Decimal:
    """An exact, non-negative number: text, or whole; never a float."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) <= high else "9" * _DIGITS
    return _bounded(_exact(value), places, high)


def _exact(value: Any) -> Decimal:
    if isinstance(value, Inexact):
        raise FieldError(f'must be text such as "12.49": {quoted(value)} is a float')
    if not isinstance(value, str):
        raise FieldError(f'must be text such as "12.49", not {quoted(value)}')
    unsigned = value.removeprefix("-")
    digits = unsigned.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and unsigned[0] != "." and unsigned[-1] != "."):
        raise FieldError(f'must be a plain number such as "12.49", not {quoted(value)}')
    if len(value) > _DIGITS:
        raise FieldError("has too many digits")
    return Decimal(value)


def _bounded(number: Decimal, places: int, high: Decimal) -> Decimal:
    if number < 0:
        raise FieldError("must not be negative")
    if number > high:
        raise FieldError(f"must not be more than {high}")
    numerator, denominator = number.as_integer_ratio()
    if numerator * 10**places % denominator:
        raise FieldError(f"must have at most {places} decimals")
    return abs(number)  # -0 is 0


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FieldError(f"must be true or false, not {quoted(value)}")
    return value


def _whole(low: int, high: int = INT4) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise FieldError(f"must be a whole number, not {quoted(value)}")
        if not low <= value <= high:
            raise FieldError(f"must be from {low} to {high}")
        return value

    return read


def _one_of(kinds: type[E]) -> Callable[[Any], E]:
    def read(value: Any) -> E:
        try:
            return kinds(value)
        except ValueError as unknown:
            raise FieldError(f"must be one of {', '.join(kinds)}, not {quoted(value)}") from unknown

    return read


def _unit(value: Any) -> str:
    if not isinstance(value, str) or value not in GRAMS:
        raise FieldError(f"must be one of {', '.join(GRAMS)}, not {quoted(value)}")
    return value


def _country(value: Any) -> str:
    name = read_text(value)
    if error := country_error(name):
        raise FieldError(error)
    return name


def _code(value: Any) -> str:
    code = read_text(value)
    if not is_code(code):
        raise FieldError(f"must be printable ASCII characters, not {quoted(code)}")
    return code


def _amount(value: Any, info: ValidationInfo[Heading]) -> Decimal:
    return read_amount(value, info.context.money)


def _kinds(kinds: type[StrEnum]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [kind.value for kind in kinds]})


def _number_schema(high: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "pattern": _EXACT, "maximum": float(high)})


def _integer(low: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": INT4})


_TEXT = WithJsonSchema({"type": "string", "minLength": 1, "maxLength": TEXT_LIMIT})

Text: TypeAlias = Annotated[str, PlainValidator(read_text), _TEXT]
Remark: TypeAlias = Annotated[str, PlainValidator(read_remark), WithJsonSchema({"type": "string"})]
Code: TypeAlias = Annotated[str, PlainValidator(_code), _TEXT]
Country: TypeAlias = Annotated[str, PlainValidator(_country), _TEXT]
Unit: TypeAlias = Annotated[
    str, PlainValidator(_unit), WithJsonSchema({"type": "string", "enum": sorted(GRAMS)})
]
Moment: TypeAlias = Annotated[
    datetime, PlainValidator(read_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
Flag: TypeAlias = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]
Amount: TypeAlias = Annotated[
    Decimal, PlainValidator(_amount), WithJsonSchema({"type": "string", "pattern": _EXACT})
]
Quantity: TypeAlias = Annotated[int, PlainValidator(_whole(1)), _integer(1)]
Count: TypeAlias = Annotated[int, PlainValidator(_whole(0)), _integer(0)]
Integer: TypeAlias = Annotated[int, PlainValidator(_whole(-(2**31))), _integer(-(2**31))]
Rate: TypeAlias = Annotated[
    Decimal, PlainValidator(lambda value: read_number(value, 6, Decimal(1))), _number_schema("1")
]
LineWeight: TypeAlias = Annotated[
    Decimal, PlainValidator(lambda value: read_number(value, 12, _HEAVIEST)), _number_schema("1e7")
]
WeightLimit: TypeAlias = Annotated[
    Decimal,
    PlainValidator(lambda value: read_number(value, 3, _HEAVIEST_LIMIT)),
    _number_schema("9999999.999"),
]
OfPromotion: TypeAlias = Annotated[
    PromotionType, PlainValidator(_one_of(PromotionType)), _kinds(PromotionType)
]
OfScope: TypeAlias = Annotated[
    PromotionScope, PlainValidator(_one_of(PromotionScope)), _kinds(PromotionScope)
]
OfTax: TypeAlias = Annotated[TaxType, PlainValidator(_one_of(TaxType)), _kinds(TaxType)]
OfRule: TypeAlias = Annotated[
    ShippingRuleType, PlainValidator(_one_of(ShippingRuleType)), _kinds(ShippingRuleType)
]
OfMode: TypeAlias = Annotated[TaxMode, PlainValidator(_one_of(TaxMode)), _kinds(TaxMode)]
OfRounding: TypeAlias = Annotated[TaxRounding, PlainValidator(_one_of(TaxRounding)), _kinds(TaxRounding)]
