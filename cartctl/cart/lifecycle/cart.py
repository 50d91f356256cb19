"""What a cart contains: its items, and the cart itself as far as rules look at it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.errors import GiftFixed
from cartctl.cart.pricing.line import Line

TERMINAL = frozenset({CartStatus.CONVERTED, CartStatus.MERGED, CartStatus.EXPIRED})
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Item:
    """A stored line. `is_gift` asks for gift wrap; `gift_promotion_id` marks a line that a promotion made."""

    id: str
    product_id: str
    quantity: int
    unit_price: Decimal
    added_at: datetime
    variant_id: str | None = None
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    gift_message: str | None = None
    is_gift: bool = False
    gift_promotion_id: str | None = None
    category: str | None = None
    weight: Decimal = ZERO
    weight_unit: str = "lb"
    shipped: bool = True


@dataclass(frozen=True, slots=True)
class SavedItem:
    """A line saved for later, at the price it had then."""

    product_id: str
    variant_id: str | None
    quantity: int
    price_at_save: Decimal


@dataclass(frozen=True, slots=True)
class Cart:
    """A shopper's cart. Times are UTC; `items` and `saved` may be empty if a rule needs only the cart.

    `cancelled_at` is when its order was cancelled; the cart stays converted.
    """

    id: str
    company_id: str
    status: CartStatus
    currency: str
    item_count: int
    created_at: datetime
    last_activity_at: datetime
    site_type: SiteType = SiteType.STOREFRONT
    customer_id: str | None = None
    session_token: str | None = None
    grand_total: Decimal = ZERO
    discount_codes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    abandoned_at: datetime | None = None
    converted_at: datetime | None = None
    cancelled_at: datetime | None = None
    order_id: str | None = None
    merged_into_cart_id: str | None = None
    merged_at: datetime | None = None
    recovery_email_sent: bool = False
    recovery_email_sent_at: datetime | None = None
    recovery_clicks: int = 0
    items: tuple[Item, ...] = ()
    saved: tuple[SavedItem, ...] = ()


def lines(items: Iterable[Item]) -> tuple[Line, ...]:
    """What pricing works on: the shopper's own items in line order (addedAt, id); promotions make their gifts anew (D2, D6)."""
    own = [item for item in items if item.gift_promotion_id is None]
    return tuple(
        Line(
            id=item.id,
            product_id=item.product_id,
            unit_price=item.unit_price,
            quantity=item.quantity,
            variant_id=item.variant_id,
            category=item.category,
            weight=item.weight,
            weight_unit=item.weight_unit,
        )
        for item in sorted(own, key=lambda item: (item.added_at, item.id))
    )


def refuse_change(item: Item) -> None:
    """Raises GiftFixed for a change of a gift's line."""
    if item.gift_promotion_id is not None:
        raise GiftFixed(f"{item.id} is a gift and cannot be changed.", hint="Decline it to remove it.")
