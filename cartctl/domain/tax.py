"""Taxes: which rates apply at an address, and what each takes of each line (D8). Fractions are exact until `q`."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from cartctl.domain.enums import TaxType
from cartctl.domain.money import allocate, q
from cartctl.domain.postal import Address, canonical, same

_HARMONISED = frozenset({TaxType.GST, TaxType.PST})  # what HST stands for


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
    """The rates of an address, by priority and id: of each priority and type the most specific; HST over GST and PST."""
    stay: dict[Hashable, TaxRate] = {}
    for rate in sorted(rates, key=_specific_first):
        if rate.is_active and _matches(rate, address):
            stay.setdefault((rate.priority, rate.tax_type), rate)
    harmonised = any(rate.tax_type is TaxType.HST for rate in stay.values())
    found = [rate for rate in stay.values() if not (harmonised and rate.tax_type in _HARMONISED)]
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


def shares(rates: Sequence[TaxRate], category: str | None, mode: TaxMode) -> dict[int, Fraction]:
    """What each rate takes of a line of this category, by the rate's index: of the net, or of the gross when inclusive.

    A rate that exempts the category is not there for that line, neither for compound rates above it nor inside the price.
    """
    effective: dict[int, Fraction] = {}
    for n, rate in enumerate(rates):
        if category is None or category not in rate.exempt_categories:
            below = sum(share for lower, share in effective.items() if rates[lower].priority < rate.priority)
            effective[n] = Fraction(rate.rate) * (1 + below if rate.is_compound else 1)
    if mode is TaxMode.EXCLUSIVE:
        return effective
    gross = 1 + sum(effective.values())
    return {n: share / gross for n, share in effective.items()}


def tax(lines: Sequence[Taxable], rates: Sequence[TaxRate], mode: TaxMode, rounding: TaxRounding) -> Taxes:
    """The taxes of some lines by rates in order of priority, as `rates_at` gives them."""
    by_category = {category: shares(rates, category, mode) for category in {line.category for line in lines}}
    if rounding is TaxRounding.PER_LINE:
        return _per_line(lines, len(rates), by_category)
    return _per_total(lines, len(rates), by_category)


_Shares = Mapping[str | None, Mapping[int, Fraction]]


def _per_line(lines: Sequence[Taxable], count: int, by_category: _Shares) -> Taxes:
    ratios = {
        category: [(n, *share.as_integer_ratio()) for n, share in found.items()]
        for category, found in by_category.items()
    }
    by_rate, by_line = [0] * count, [0] * len(lines)
    for position, line in enumerate(lines):
        for n, numerator, denominator in ratios[line.category]:
            part = q(line.net * numerator, denominator)
            by_rate[n] += part
            by_line[position] += part
    return Taxes(by_rate, by_line)


def _per_total(lines: Sequence[Taxable], count: int, by_category: _Shares) -> Taxes:
    """Each rate's exact sum is rounded once; what each line shows of it is its share of that."""
    by_rate, by_line = [0] * count, [0] * len(lines)
    for n in range(count):
        found = {category: given.get(n, Fraction(0)) for category, given in by_category.items()}
        whole = math.lcm(*(share.denominator for share in found.values()))
        per_unit = {category: int(share * whole) for category, share in found.items()}
        weights = [line.net * per_unit[line.category] for line in lines]
        by_rate[n] = q(sum(weights), whole)
        for position, part in enumerate(allocate(by_rate[n], weights)):
            by_line[position] += part
    return Taxes(by_rate, by_line)
