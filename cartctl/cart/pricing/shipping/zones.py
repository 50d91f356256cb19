"""Shipping zones: which one an address is in (D8). One zone is chosen, and there is no falling through to the next."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from cartctl.cart.enums import ShippingRuleType
from cartctl.cart.pricing.places.address import Address, Place, country_error, place_of, state_key
from cartctl.cart.pricing.places.countries import country_code
from cartctl.cart.pricing.places.postal_patterns import Closeness, matched, pattern_error

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShippingRule:
    """A shipping rule; weights are in `weight_unit`, None means no limit. `quote` is a carrier's price, for CALCULATED."""

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
        if zone.is_active
        and (closeness := _closeness(zone.countries, zone.states, zone.zip_codes, place)) is not None
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def unreadable(zones: Iterable[ShippingZone], address: Address | None) -> list[str]:
    """Warnings for what zones contain that can never match: unknown countries, and invalid patterns at this address."""
    place = place_of(address) if address else None
    warnings = []
    for zone in zones:
        if zone.is_active:
            errors = _errors(zone.countries, zone.zip_codes, place.country if place else None)
            warnings += [f"shipping zone {zone.name or zone.id!a}: {error}" for error in errors]
    return warnings


@lru_cache(maxsize=1024)
def _errors(countries: Names, zip_codes: Names, country: str | None) -> tuple[str, ...]:
    """What of a zone can never match, at an address in a country. Cached: the same zones meet many carts."""
    errors = [error for each in countries if (error := country_error(each))]
    if country is not None and _in_country(countries, country):
        errors += [error for each in zip_codes if (error := pattern_error(each, (country,)))]
    return tuple(errors)


@lru_cache(maxsize=1024)
def _closeness(
    countries: Names, states: Names, zip_codes: Names, place: Place | None
) -> tuple[int, tuple[int, int]] | None:
    """Smaller is closer: the level (zip, state, country, fallback), then the longest matched pattern. None: no match."""
    if not (countries or states or zip_codes):
        return (3, (0, 0))
    if place is None or not _in_country(countries, place.country):
        return None
    keys = {state_key(state, place.country) for state in states}
    if keys and (place.state is None or place.state not in keys):
        return None
    if not zip_codes:
        return (1 if states else 2, (0, 0))
    longest = _longest(zip_codes, place)
    return None if longest is None else (0, (-longest[0], -longest[1]))


def _in_country(countries: Names, country: str) -> bool:
    return not countries or any(country_code(each) == country for each in countries)


def _longest(patterns: Iterable[str], place: Place) -> Closeness | None:
    code = place.postal_code
    if code is None:
        return None
    matches = [match for pattern in patterns if (match := matched(pattern, code, place.country))]
    return max(matches, default=None)
