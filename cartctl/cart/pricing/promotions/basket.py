"""The lines that promotions apply to."""

from collections.abc import Sequence
from dataclasses import dataclass

from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import Currency


@dataclass(frozen=True, slots=True)
class Basket:
    """The lines that promotions look at: the shopper's own, never a gift's. `prices` are the unit prices in minor units."""

    currency: Currency
    lines: Sequence[Line]
    prices: Sequence[int]
