"""The four components that help a shopper to decide; each shows only what is true (D13)."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cartctl.cart.pricing.shipping.zones import ShippingZone

HORIZON = timedelta(hours=24)
FEW = 5  # units
SUGGESTIONS = 4  # products


@dataclass(frozen=True, slots=True)
class Urgency:
    """What ends first, and the time left until then. `promotion_id` is None if it is the cart itself."""

    ends_at: datetime
    left: timedelta
    promotion_id: str | None


@dataclass(frozen=True, slots=True)
class ShippingProgress:
    """How far a cart is from free shipping; `missing` is 0 once it is free."""

    threshold: Decimal
    missing: Decimal


def urgency(
    now: datetime,
    expires_at: datetime | None,
    promotion_ends: Mapping[str, datetime],
    horizon: timedelta = HORIZON,
) -> Urgency | None:
    """The time left until the cart or a promotion ends; None if that is beyond the horizon."""
    ends: list[tuple[datetime, str]] = [(end, name) for name, end in promotion_ends.items()]
    if expires_at is not None:
        ends.append((expires_at, ""))
    coming = [(end, name) for end, name in ends if end > now]
    if not coming:
        return None
    end, name = min(coming)
    return Urgency(end, end - now, name or None) if end - now <= horizon else None


def scarcity(units_left: int | None, threshold: int = FEW) -> int | None:
    """The units left, exactly as stock has them, when they are few; None when they are many or not counted."""
    if units_left is None or not 0 <= units_left <= threshold:
        return None
    return units_left


def shipping_progress(cost: Decimal, zone: ShippingZone | None) -> ShippingProgress | None:
    """The amount missing to the zone's lowest freeShippingThreshold, based on the lines' price after discounts (M).

    None without a zone, or where no rule of it has a threshold.
    """
    thresholds = [
        rule.free_shipping_threshold
        for rule in (zone.rules if zone else ())
        if rule.is_active and rule.free_shipping_threshold is not None
    ]
    if not thresholds:
        return None
    lowest = min(thresholds)
    return ShippingProgress(lowest, max(lowest - cost, Decimal(0)))


def upsell(
    products: Collection[str],
    bought_together: Iterable[Collection[str]],
    stock: Mapping[str, int],
    limit: int = SUGGESTIONS,
) -> list[str]:
    """Products of converted carts of the company that share one with this cart, most often bought first, then by id.

    `bought_together` has each such cart's products; only what is in stock and not in this cart is suggested.
    """
    own = set(products)
    counted: Counter[str] = Counter()
    for cart in bought_together:
        bought = set(cart)
        if bought & own:
            counted.update(bought - own)
    offered = [product for product in counted if stock.get(product, 0) > 0]
    return sorted(offered, key=lambda product: (-counted[product], product))[:limit]
