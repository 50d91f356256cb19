"""Tax rates, and how prices and rounding relate to them."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from cartctl.cart.enums import TaxType


class TaxMode(StrEnum):
    """Whether prices exclude or include taxes."""

    EXCLUSIVE = "exclusive"
    INCLUSIVE = "inclusive"


class TaxRounding(StrEnum):
    """Where tax is rounded: each line and rate, or each rate's sum."""

    PER_LINE = "per_line"
    PER_TOTAL = "per_total"


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax where it applies; `rate` is a fraction (0.0725).

    Country and state are ISO 3166 codes or names, `zip_code` a pattern as in shipping zones; None matches every place of
    the level above.
    """

    id: str
    country: str
    tax_type: TaxType
    name: str
    rate: Decimal
    state: str | None = None
    city: str | None = None
    zip_code: str | None = None
    is_compound: bool = False
    priority: int = 0
    exempt_categories: frozenset[str] = frozenset()
    is_active: bool = True
