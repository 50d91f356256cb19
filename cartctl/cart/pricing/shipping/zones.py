"""Shipping zones: which one an address is in (D8). One zone is chosen, and there is no falling through to the next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cartctl.cart.enums import ShippingRuleType
from cartctl.cart.pricing.places.address import Address, same
from cartctl.cart.pricing.places.postal_codes import canonical, matched


@dataclass(frozen=True, slots=True)
class ShippingRule:
    """A way to ship; weights are in `weight_unit`, None is an open end. `quote` is a carrier's price, for CALCULATED."""

    id: str
    type: ShippingRuleType
    base_rate: Decimal
    name: str = ""
    per_item_rate: Decimal | None = None
    per_weight_unit_rate: Decimal | None = None
    weight_unit: str = "lb"
    free_shipping_threshold: Decimal | None = None
    min_weight: Decimal | None = None
    max_weight: Decimal | None = None
    min_order_total: Decimal | None = None
    max_order_total: Decimal | None = None
    sort_order: int = 0
    is_active: bool = True
    quote: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ShippingZone:
    """Where a set of rules applies; an empty list matches everywhere."""

    id: str
    created_at: datetime
    name: str = ""
    countries: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    zip_codes: tuple[str, ...] = ()
    priority: int = 0
    is_active: bool = True
    rules: tuple[ShippingRule, ...] = ()


def zone_for(zones: Iterable[ShippingZone], address: Address | None) -> ShippingZone | None:
    """The zone of an address: by priority, then by how closely it matches, createdAt and id. None when none matches.

    Without an address only a zone without any list, the fallback, matches.
    """
    ranked = [
        ((-zone.priority, *closeness, zone.created_at, zone.id), zone)
        for zone in zones
        if zone.is_active and (closeness := _closeness(zone, address)) is not None
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _closeness(zone: ShippingZone, address: Address | None) -> tuple[int, tuple[int, int]] | None:
    """Smaller is closer: the level (zip, state, country, fallback), then the longest matched pattern. None: no match."""
    if not (zone.countries or zone.states or zone.zip_codes):
        return (3, (0, 0))
    if address is None:
        return None
    if zone.countries and not any(same(country, address.country) for country in zone.countries):
        return None
    if zone.states and not any(same(state, address.state) for state in zone.states):
        return None
    if not zone.zip_codes:
        return (1 if zone.states else 2, (0, 0))
    found = _longest(zone.zip_codes, address)
    return None if found is None else (0, (-found[0], -found[1]))


def _longest(patterns: Iterable[str], address: Address) -> tuple[int, int] | None:
    if address.postal_code is None:
        return None
    code = canonical(address.postal_code, address.country)
    found = [match for pattern in patterns if (match := matched(pattern, code, address.country))]
    return max(found, default=None)
