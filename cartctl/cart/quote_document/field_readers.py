"""Strict readers for JSON values: each takes a value and where it stands, and refuses what it does not know by that path."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from cartctl.cart.errors import InputError
from cartctl.cart.pricing.money import LARGEST, Currency

TEXT_LIMIT = 500  # characters of one text
INT4 = 2**31 - 1  # the database's integer columns
_DIGITS = 40  # characters of one number

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Heading:
    """What the rest of a document is read by: the currency of its amounts, its time, and whose it is."""

    money: Currency
    now: datetime
    company_id: str | None = None


@dataclass(frozen=True, slots=True)
class At:
    """Where in the document a value stands, and the document's heading."""

    path: str
    heading: Heading

    def key(self, name: str) -> "At":
        """A field of the object that stands here."""
        return At(f"{self.path}.{name}" if self.path else name, self.heading)

    def item(self, index: int) -> "At":
        """An item of the list that stands here."""
        return At(f"{self.path}[{index}]", self.heading)

    def refusal(self, why: str, *, hint: str = "") -> InputError:
        """The error for a value that stands here."""
        return InputError(self.path, why, hint=hint)


Reader = Callable[[Any, At], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object: the attribute it becomes, and how it is read. Null is as good as missing where it may be."""

    name: str
    read: Reader
    required: bool = False


Record = Mapping[str, Field]  # by the name in the document


class Inexact(str):
    """A number with a fraction or an exponent, as it was written: no money is read from it."""

    __slots__ = ()


def told(value: Any) -> str:
    """A value as an error quotes it: short, and without anything a terminal would obey."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, Inexact):
        shown = str(value)
    else:
        shown = ascii(value) if isinstance(value, str) else json.dumps(value)
    return shown if len(shown) <= _DIGITS else f"{shown[:_DIGITS]}..."


def record(fields: Record, value: Any, at: At) -> dict[str, Any]:
    """The attributes that an object's fields become; those that are missing are left out. Raises InputError."""
    if not isinstance(value, dict):
        raise at.refusal(f"must be an object, not {told(value)}")
    for name in value:
        if name not in fields:
            close = get_close_matches(name, fields, n=1)
            raise at.key(told(name).strip("'") or "''").refusal(
                "unknown key", hint=f"Did you mean {close[0]}?" if close else ""
            )
    found = {}
    for name, field in fields.items():
        given = value.get(name)
        if given is not None:
            found[field.name] = field.read(given, at.key(name))
        elif field.required:
            raise at.key(name).refusal("is missing")
    return found


def text(value: Any, at: At) -> str:
    """Text of 1 to 500 characters."""
    given = remark(value, at)
    if not given.strip() or len(given) > TEXT_LIMIT:
        raise at.refusal(f"must have 1 to {TEXT_LIMIT} characters")
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in given):
        raise at.refusal("holds a character that no text has")
    return given


def remark(value: Any, at: At) -> str:
    """Text of any length that nothing depends on."""
    if not isinstance(value, str) or isinstance(value, Inexact):
        raise at.refusal(f"must be text, not {told(value)}")
    return value


def flag(value: Any, at: At) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise at.refusal(f"must be true or false, not {told(value)}")
    return value


def whole(low: int, high: int = INT4) -> Reader:
    """A reader of whole numbers within bounds."""

    def read(value: Any, at: At) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise at.refusal(f"must be a whole number, not {told(value)}")
        if not low <= value <= high:
            raise at.refusal(f"must be from {low} to {high}")
        return value

    return read


def one_of(kinds: type[E]) -> Reader:
    """A reader of the members of a vocabulary."""

    def read(value: Any, at: At) -> E:
        try:
            return kinds(value)
        except ValueError as unknown:
            raise at.refusal(f"must be one of {', '.join(kinds)}, not {told(value)}") from unknown

    return read


def moment(value: Any, at: At) -> datetime:
    """A time in ISO 8601; without an offset it is UTC, as the database's are."""
    given = text(value, at)
    try:
        found = datetime.fromisoformat(given)
    except ValueError as wrong:
        raise at.refusal(f"must be a time such as 2026-01-31T12:00:00Z, not {told(given)}") from wrong
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def number(places: int, high: Decimal) -> Reader:
    """A reader of exact, non-negative numbers: text, or whole; never a float."""

    def read(value: Any, at: At) -> Decimal:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) <= high else "9" * _DIGITS
        return _bounded(_exact(value, at), places, high, at)

    return read


def amount(value: Any, at: At) -> Decimal:
    """Money: text such as "12.49", not negative, no finer than the currency, no larger than a column."""
    money = at.heading.money
    found = _bounded(_exact(value, at), 2, LARGEST, at)
    try:
        money.minor(found)
    except ValueError as finer:
        raise at.refusal(f"{money.code} has {money.decimals} decimals, not {told(value)}") from finer
    return found


def _exact(value: Any, at: At) -> Decimal:
    if isinstance(value, Inexact):
        raise at.refusal(f'must be text such as "12.49": {told(value)} is a float')
    if not isinstance(value, str):
        raise at.refusal(f'must be text such as "12.49", not {told(value)}')
    unsigned = value.removeprefix("-")
    digits = unsigned.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and unsigned[0] != "." and unsigned[-1] != "."):
        raise at.refusal(f'must be a plain number such as "12.49", not {told(value)}')
    if len(value) > _DIGITS:
        raise at.refusal("has too many digits")
    return Decimal(value)


def _bounded(found: Decimal, places: int, high: Decimal, at: At) -> Decimal:
    if found < 0:
        raise at.refusal("must not be negative")
    if found > high:
        raise at.refusal(f"must not be more than {high}")
    numerator, denominator = found.as_integer_ratio()
    if numerator * 10**places % denominator:
        raise at.refusal(f"must have at most {places} decimals")
    return abs(found)  # -0 is 0


def many(read: Reader, limit: int = 10_000) -> Reader:
    """A reader of lists whose items all read alike."""

    def read_all(value: Any, at: At) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise at.refusal(f"must be a list, not {told(value)}")
        if len(value) > limit:
            raise at.refusal(f"must not have more than {limit} items, but has {len(value)}")
        return tuple(read(item, at.item(index)) for index, item in enumerate(value))

    return read_all


def nested(fields: Record, make: Callable[[dict[str, Any], At], Any]) -> Reader:
    """A reader of objects, and what is made of their attributes."""

    def read(value: Any, at: At) -> Any:
        return make(record(fields, value, at), at)

    return read


def refuse_doubles(ids: Iterable[str], at: At, taken: Iterable[str] = ()) -> None:
    """Raises InputError for the first of a list's ids that stands before it, or among those that are taken."""
    seen = set(taken)
    for index, found in enumerate(ids):
        if found in seen:
            raise at.item(index).key("id").refusal(f"{told(found)} is there twice")
        seen.add(found)


def distinct(read: Reader) -> Reader:
    """A reader of lists whose items each have an id of their own."""
    read_all = many(read)

    def read_distinct(value: Any, at: At) -> tuple[Any, ...]:
        found: tuple[Any, ...] = read_all(value, at)
        refuse_doubles((item.id for item in found), at)
        return found

    return read_distinct
