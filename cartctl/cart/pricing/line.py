"""A line of a cart as pricing sees it."""

from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """A line to price; `weight` is that of one unit, in `weight_unit`."""

    id: str
    product_id: str
    unit_price: Decimal
    quantity: int
    variant_id: str | None = None
    category: str | None = None
    weight: Decimal = ZERO
    weight_unit: str = "lb"
