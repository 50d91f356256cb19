"""What pricing answers: every amount of a cart, and for each part of it why."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from cartctl.cart.pricing.promotions.promotion import Reason
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
from cartctl.cart.pricing.tax.rates import TaxRate


class TaxStatus(StrEnum):
    """Whether the address, and so the tax, is known."""

    RESOLVED = "RESOLVED"
    UNRESOLVED = "UNRESOLVED"


class ShippingStatus(StrEnum):
    """Whether there is something to ship, and a way to."""

    NOT_REQUIRED = "NOT_REQUIRED"
    RESOLVED = "RESOLVED"
    UNAVAILABLE = "UNAVAILABLE"


class PricedLine(NamedTuple):
    """A line's amounts; a gift's are 0. `net` is what it costs after all discounts."""

    id: str
    gift: bool
    base: Decimal
    discount: Decimal
    net: Decimal
    tax: Decimal
    product_id: str
    quantity: int
    unit_price: Decimal


class PromotionOutcome(NamedTuple):
    """What became of a promotion: what it took off, or the reason why it did not."""

    id: str
    code: str
    applied: bool
    amount: Decimal
    reason: Reason | None


class TaxAmount(NamedTuple):
    """What one rate takes in all, shipping included where that is taxed."""

    rate: TaxRate
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Shipped:
    """The chosen way to ship: its price, and the discount on it."""

    zone: ShippingZone
    rule: ShippingRule
    amount: Decimal
    discount: Decimal


class ShippingOffer(NamedTuple):
    """A way to ship that the shopper may choose, and its price before discounts."""

    rule: ShippingRule
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PricingResult:
    """A cart with every amount. `discount_total` covers only merchandise; `shipping_total` is after its discounts.

    `shipping_offers` are the ways to ship it, cheapest first.
    """

    subtotal: Decimal
    discount_total: Decimal
    shipping_total: Decimal
    tax_total: Decimal
    grand_total: Decimal
    item_count: int
    tax_status: TaxStatus
    shipping_status: ShippingStatus
    lines: tuple[PricedLine, ...]
    promotions: tuple[PromotionOutcome, ...]
    taxes: tuple[TaxAmount, ...]
    shipping: Shipped | None
    warnings: tuple[str, ...]
    tax_problem: str | None = None  # why the tax is unresolved
    shipping_offers: tuple[ShippingOffer, ...] = ()
    shortages: tuple[str, ...] = ()  # products of which stock has fewer units

    @property
    def blocked(self) -> tuple[str, ...]:
        """Why this cart cannot be converted as it is (D8): tax, shipping or stock; empty when it can."""
        unavailable = self.shipping_status is ShippingStatus.UNAVAILABLE
        shipping = "no shipping to this address" if unavailable else None
        return tuple(reason for reason in (self.tax_problem, shipping, *self.shortages) if reason)
