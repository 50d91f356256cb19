"""Values in the binary format of COPY, which is written and read in half the time of text."""

from datetime import datetime
from struct import Struct

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

_length = Struct(">i").pack
_integer = Struct(">ii").pack
_moment = Struct(">iq").pack
_BASE = 10_000  # a numeric's digits are four decimal ones each
_Y2K = datetime(2000, 1, 1)  # noqa: DTZ001 - the columns are without a zone, in UTC


def raw(content: bytes) -> bytes:
    """A field of these bytes."""
    return _length(len(content)) + content


def text(value: str) -> bytes:
    """A text, or the label of an enum."""
    return raw(value.encode())


def jsonb(value: str) -> bytes:
    """A JSON document, given as text."""
    return raw(b"\x01" + value.encode())


def integer(value: int) -> bytes:
    """A 32-bit number."""
    return _integer(4, value)


def boolean(value: bool) -> bytes:
    """A truth value."""
    return b"\0\0\0\x01" + bytes([value])


def moment(milliseconds: int) -> bytes:
    """A timestamp, given in milliseconds since 2000."""
    return _moment(8, milliseconds * 1000)


def amount(cents: int) -> bytes:
    """Cents as a numeric with 2 decimals; not negative."""
    whole, rest = divmod(cents, 100)
    digits = [rest * 100]
    while whole:
        whole, digit = divmod(whole, _BASE)
        digits.insert(0, digit)
    weight = len(digits) - 2
    numbers = (len(digits), weight, 0, 2, *digits)
    return raw(b"".join(number.to_bytes(2, "big", signed=True) for number in numbers))


def since_2000(when: datetime) -> int:
    """A time in UTC without a zone, in milliseconds since 2000."""
    return round((when - _Y2K).total_seconds() * 1000)
