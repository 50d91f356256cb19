"""Shipping zones: which one an address is in (D8). One zone is chosen, and there is no falling through to the next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cartctl.cart.enums import ShippingRuleType
from cartctl.cart.pricing.places.address import Address, Place, country_error, place_of, state_key
from cartctl.cart.pricing.places.countries import country_code
from cartctl.cart.pricing.places.postal_patterns import Closeness, matched, pattern_error


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

    Without an address, or with one in an unknown country, only a zone without any list, the fallback, matches.
    """
    place = place_of(address) if address else None
    ranked = [
        ((-zone.priority, *closeness, zone.created_at, zone.id), zone)
        for zone in zones
        if zone.is_active and (closeness := _closeness(zone, place)) is not None
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def unreadable(zones: Iterable[ShippingZone], address: Address | None) -> list[str]:
    """Warnings for what zones contain that can never match: unknown countries, and invalid patterns at this address."""
    place = place_of(address) if address else None
    warnings = []
    for zone in zones:
        if zone.is_active:
            errors = [error for country in zone.countries if (error := country_error(country))]
            if place and _in_country(zone, place):
                countries = (place.country,)
                errors += [error for each in zone.zip_codes if (error := pattern_error(each, countries))]
            warnings += [f"shipping zone {zone.name or zone.id!a}: {error}" for error in errors]
    return warnings


def _closeness(zone: ShippingZone, place: Place | None) -> tuple[int, tuple[int, int]] | None:
    """Smaller is closer: the level (zip, state, country, fallback), then the longest matched pattern. None: no match."""
    if not (zone.countries or zone.states or zone.zip_codes):
        return (3, (0, 0))
    if place is None or not _in_country(zone, place):
        return None
    states = {state_key(state, place.country) for state in zone.states}
    if states and (place.state is None or place.state not in states):
        return None
    if not zone.zip_codes:
        return (1 if zone.states else 2, (0, 0))
    found = _longest(zone.zip_codes, place)
    return None if found is None else (0, (-found[0], -found[1]))


def _in_country(zone: ShippingZone, place: Place) -> bool:
    return not zone.countries or any(country_code(country) == place.country for country in zone.countries)


def _longest(patterns: Iterable[str], place: Place) -> Closeness | None:
    code = place.postal_code
    if code is None:
        return None
    matches = [match for pattern in patterns if (match := matched(pattern, code, place.country))]
    return max(matches, default=None)
