"""Amounts of seeded carts by the library's rules (D3, D6, D8), in whole hundredths as COPY writes them.

Computed with integers and cached, since few sums occur: the library's pricing would take longer than everything else. A test
reads seeded carts back and prices them with the library.
"""

from functools import lru_cache

from cartctl.cart.pricing.money import allocate, q
from cartctl.sandbox.data.copy_format import amount, integer, jsonb
from cartctl.sandbox.data.markets import RATE, Market

CODE = "WELCOME10"
TENTH = 10  # CODE is a 10 % discount on the cart
_CODED, _UNCODED = jsonb(f'["{CODE}"]'), jsonb("[]")


def discounts(bases: list[int], market: Market) -> list[int]:
    """The discount of CODE on each line, in hundredths, given the lines' amounts."""
    unit = market.unit
    minor = [base // unit for base in bases]
    return [part * unit for part in allocate(q(sum(minor), TENTH), minor)]


def line_tax(net: int, market: Market) -> int:
    """The tax on a line, in hundredths, rounded line by line."""
    unit = market.unit
    return q(net // unit * market.tax, RATE) * unit


@lru_cache(maxsize=65_536)
def totals(subtotal: int, discount: int, tax: int, units: int, coded: bool, market: Market) -> bytes:
    """The columns from subtotal to discountCodes, of amounts in hundredths."""
    merchandise = subtotal - discount
    shipping = market.shipping if units and merchandise < market.free_from else 0
    amounts = (subtotal, discount, tax, shipping, merchandise + tax + shipping)
    return b"".join((*map(amount, amounts), integer(units), _CODED if coded else _UNCODED))
