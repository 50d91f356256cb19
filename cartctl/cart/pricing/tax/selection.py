"""Which tax rates apply at an address (D8), or why that cannot be known: nothing is left untaxed for a spelling."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from cartctl.cart.enums import TaxType
from cartctl.cart.errors import InputError
from cartctl.cart.pricing.places.address import (
    Address,
    Place,
    country_error,
    place_of,
    state_error,
    state_key,
)
from cartctl.cart.pricing.places.countries import country_code, folded
from cartctl.cart.pricing.places.postal_patterns import Closeness, matched, pattern_error
from cartctl.cart.pricing.tax.rates import TaxRate

MOST_RATES = 50  # at one address
NO_ADDRESS = "the tax is unknown without an address"

Specificity = tuple[bool, Closeness, bool, bool]


@dataclass(frozen=True, slots=True)
class ApplicableRates:
    """The rates of an address, by priority and id; or the `problem` for which the tax is unresolved, and no rates.

    `warning` says that the address's postal code does not have its country's form, where rates go by postal code.
    """

    rates: tuple[TaxRate, ...] = ()
    problem: str | None = None
    warning: str | None = None


def applicable_rates(
    rates: Sequence[TaxRate], address: Address | None, categories: Collection[str | None]
) -> ApplicableRates:
    """Of each priority and tax type the most specific rate; HST instead of GST and PST.

    GST stays beside HST for lines of `categories` that are exempt from HST and not from GST. The tax is unresolved
    without an address or with one in an unknown country, without the state where the country's rates depend on it, and
    where a rate is written so that nobody can tell whether it applies. Raises InputError for more than 50 rates, since
    the fractions of compound rates grow with each.
    """
    if address is None:
        return ApplicableRates(problem=NO_ADDRESS)
    place = place_of(address)
    if place is None:
        return ApplicableRates(problem=country_error(address.country))
    own = [rate for rate in rates if rate.is_active and country_code(rate.country) in {place.country, None}]
    if problem := _problem(own, place, address):
        return ApplicableRates(problem=problem)
    applicable = _without_replaced(_most_specific(own, place), categories)
    if len(applicable) > MOST_RATES:
        raise InputError(
            "taxRates", f"{len(applicable)} rates apply at one address; the limit is {MOST_RATES}"
        )
    ordered = sorted(applicable, key=lambda rate: (rate.priority, rate.id))
    return ApplicableRates(tuple(ordered), warning=_malformed(own, place, address))


def _problem(rates: Sequence[TaxRate], place: Place, address: Address) -> str | None:
    """Why it is undecidable which rates of a country apply at a place."""
    for rate in rates:
        if error := _rate_error(rate, place):
            return f"tax rate {rate.name!a}: {error}"
    states = {state_key(rate.state, place.country) for rate in rates} - {None}
    if not states or place.state in states:
        return None
    if place.state is None:
        return f"the tax in {place.country} depends on the state, and the address has none"
    return None if place.state_known else state_error(address.state or "", place.country)


def _malformed(rates: Iterable[TaxRate], place: Place, address: Address) -> str | None:
    code = place.postal_code
    if code is None or code.valid is not False or not any(rate.zip_code for rate in rates):
        return None
    return f"{address.postal_code!a} is not a valid postal code of {place.country}"


def _rate_error(rate: TaxRate, place: Place) -> str | None:
    if error := country_error(rate.country):
        return error
    if rate.state and state_key(rate.state, place.country) != place.state:
        return state_error(rate.state, place.country)
    return pattern_error(rate.zip_code, (place.country,)) if rate.zip_code else None


def _most_specific(rates: Iterable[TaxRate], place: Place) -> list[TaxRate]:
    """Of each priority and type the rate that matches the place most closely, ties to the smaller id."""
    best: dict[tuple[int, TaxType], tuple[Specificity, TaxRate]] = {}
    for rate in rates:
        match = _match(rate, place)
        if match is None:
            continue
        key = (rate.priority, rate.tax_type)
        there = best.get(key)
        if there is None or match > there[0] or (match == there[0] and rate.id < there[1].id):
            best[key] = (match, rate)
    return [rate for _, rate in best.values()]


def _match(rate: TaxRate, place: Place) -> Specificity | None:
    """How closely a rate of the country matches a place: by postal code, city, state; None if it does not match."""
    if rate.state and state_key(rate.state, place.country) != place.state:
        return None
    if rate.city and folded(rate.city) != place.city:
        return None
    closeness: Closeness | None = (0, 0)
    if rate.zip_code:
        code = place.postal_code
        closeness = matched(rate.zip_code, code, place.country) if code else None
    return None if closeness is None else (bool(rate.zip_code), closeness, bool(rate.city), bool(rate.state))


def _without_replaced(rates: list[TaxRate], categories: Collection[str | None]) -> list[TaxRate]:
    """The rates without those that HST replaces: all PST, and GST unless a line is exempt from HST alone."""
    harmonised = [rate for rate in rates if rate.tax_type is TaxType.HST]
    if not harmonised:
        return rates
    exempt = [each for each in categories if all(each in rate.exempt_categories for rate in harmonised)]
    return [
        rate
        for rate in rates
        if rate.tax_type is not TaxType.PST
        and (rate.tax_type is not TaxType.GST or any(each not in rate.exempt_categories for each in exempt))
    ]
