"""Taxes: which rates apply at an address, and what each takes of each line (D8). Fractions are exact until `q`."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from cartctl.cart.enums import TaxType
from cartctl.cart.errors import InputError
from cartctl.cart.pricing.money import allocate, q
from cartctl.cart.pricing.places.address import Address, same
from cartctl.cart.pricing.places.postal_codes import canonical

_HARMONISED = frozenset({TaxType.GST, TaxType.PST})  # what HST stands for
MOST_RATES = 50  # at one address


class TaxMode(StrEnum):
    """Whether prices are without or with their taxes."""

    EXCLUSIVE = "exclusive"
    INCLUSIVE = "inclusive"


class TaxRounding(StrEnum):
    """Where tax is rounded: each line and rate, or each rate's sum."""

    PER_LINE = "per_line"
    PER_TOTAL = "per_total"


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax where it applies; `rate` is a fraction, None matches every place of the level above."""

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


@dataclass(frozen=True, slots=True)
class Taxable:
    """A line's net, or shipping, in minor units, with the category that may be exempt."""

    net: int
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Taxes:
    """Minor units of tax: of each rate, and of each line over all rates. Both add up to the same."""

    by_rate: list[int]
    by_line: list[int]


def rates_at(rates: Iterable[TaxRate], address: Address) -> list[TaxRate]:
    """The rates of an address, by priority and id: of each priority and type the most specific; HST over GST and PST.

    Raises InputError for more rates than any place has: the fractions of compound ones grow with each.
    """
    stay: dict[Hashable, TaxRate] = {}
    for rate in sorted(rates, key=_specific_first):
        if rate.is_active and _matches(rate, address):
            stay.setdefault((rate.priority, rate.tax_type), rate)
    harmonised = any(rate.tax_type is TaxType.HST for rate in stay.values())
    found = [rate for rate in stay.values() if not (harmonised and rate.tax_type in _HARMONISED)]
    if len(found) > MOST_RATES:
        raise InputError("taxRates", f"{len(found)} rates apply at one address; {MOST_RATES} are the most")
    return sorted(found, key=lambda rate: (rate.priority, rate.id))


def _specific_first(rate: TaxRate) -> tuple[bool, bool, bool, str]:
    return (rate.zip_code is None, rate.city is None, rate.state is None, rate.id)


def _matches(rate: TaxRate, address: Address) -> bool:
    return (
        same(rate.country, address.country)
        and (rate.state is None or same(rate.state, address.state))
        and (rate.city is None or same(rate.city, address.city))
        and (rate.zip_code is None or _same_zip(rate.zip_code, address))
    )


def _same_zip(code: str, address: Address) -> bool:
    given = address.postal_code
    return given is not None and canonical(code, address.country) == canonical(given, address.country)


Kinds = tuple[
    int, ...
]  # the indexes of the rates that a line is taxed by; lines of one kind share their fractions


def shares(rates: Sequence[TaxRate], kinds: Kinds, mode: TaxMode) -> dict[int, Fraction]:
    """What each of a line's rates takes of it, by the rate's index: of the net, or of the gross when inclusive.

    `rates` are in order of priority. A rate that exempts the line's category is not there for it, neither for compound
    rates above it nor inside the price.
    """
    effective: dict[int, Fraction] = {}
    below, level, priority = Fraction(0), Fraction(0), None
    for n in kinds:
        rate = rates[n]
        if rate.priority != priority:
            below, level, priority = below + level, Fraction(0), rate.priority
        effective[n] = Fraction(rate.rate) * (1 + below if rate.is_compound else 1)
        level += effective[n]
    if mode is TaxMode.EXCLUSIVE:
        return effective
    gross = 1 + below + level
    return {n: share / gross for n, share in effective.items()}


def tax(lines: Sequence[Taxable], rates: Sequence[TaxRate], mode: TaxMode, rounding: TaxRounding) -> Taxes:
    """The taxes of some lines by rates in order of priority, as `rates_at` gives them."""
    kinds = {category: _kinds(rates, category) for category in {line.category for line in lines}}
    taxed = [(line.net, kinds[line.category]) for line in lines]
    fractions = {kind: shares(rates, kind, mode) for kind in set(kinds.values())}
    spread = _per_line if rounding is TaxRounding.PER_LINE else _per_total
    return spread(taxed, len(rates), fractions)


def _kinds(rates: Sequence[TaxRate], category: str | None) -> Kinds:
    return tuple(n for n, rate in enumerate(rates) if category not in rate.exempt_categories)


_Taxed = Sequence[tuple[int, Kinds]]  # each line's net in minor units, and its rates
_Fractions = Mapping[Kinds, Mapping[int, Fraction]]


def _per_line(lines: _Taxed, count: int, fractions: _Fractions) -> Taxes:
    ratios = {
        kinds: [(n, *share.as_integer_ratio()) for n, share in found.items()]
        for kinds, found in fractions.items()
    }
    by_rate, by_line = [0] * count, [0] * len(lines)
    for position, (net, kinds) in enumerate(lines):
        for n, numerator, denominator in ratios[kinds]:
            part = q(net * numerator, denominator)
            by_rate[n] += part
            by_line[position] += part
    return Taxes(by_rate, by_line)


def _per_total(lines: _Taxed, count: int, fractions: _Fractions) -> Taxes:
    """Each rate's exact sum is rounded once; what each line shows of it is its share of that."""
    by_rate, by_line = [0] * count, [0] * len(lines)
    for n in range(count):
        found = {kinds: given.get(n, Fraction(0)) for kinds, given in fractions.items()}
        whole = math.lcm(*(share.denominator for share in found.values()))
        per_unit = {kinds: int(share * whole) for kinds, share in found.items()}
        weights = [net * per_unit[kinds] for net, kinds in lines]
        by_rate[n] = q(sum(weights), whole)
        for position, part in enumerate(allocate(by_rate[n], weights)):
            by_line[position] += part
    return Taxes(by_rate, by_line)
