"""What each tax rate takes of each line and of shipping (D8). Fractions are exact until `q`."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from cartctl.cart.enums import TaxType
from cartctl.cart.pricing.money import allocate, q
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRate, TaxRounding


class Taxable(NamedTuple):
    """Lines: their nets and undiscounted bases, in minor units, and the categories that may be exempt."""

    nets: Sequence[int]
    bases: Sequence[int]
    categories: Sequence[str | None]


class Taxes(NamedTuple):
    """Minor units of tax: of each rate, and of each line over all rates. Both add up to the same.

    Where shipping is taxed, it is the last line.
    """

    by_rate: list[int]
    by_line: list[int]


Ratio = tuple[int, int]
"""An exact fraction: numerator and denominator, not reduced, since nobody needs that to round it."""

Shares = Mapping[int, Ratio]
"""What each rate takes, by the rate's index: of the net, or of the gross when prices include tax."""

Taxed = Sequence[
    tuple[int, Shares]
]  # each line's net in minor units, and its shares; lines of one kind have the same


def tax(
    lines: Taxable,
    rates: tuple[TaxRate, ...],
    mode: TaxMode,
    rounding: TaxRounding,
    shipping: int | None = None,
) -> Taxes:
    """The taxes of some lines by rates in order of priority, as `applicable_rates` gives them.

    `shipping` (minor units) is taxed as one more line, each rate by the share of the lines that pay it: the lines' nets
    are the shares, or their bases where all nets are 0.
    """
    by_category = _by_category(rates, frozenset(lines.categories), mode)
    taxed = [(net, by_category[category]) for net, category in zip(lines.nets, lines.categories, strict=True)]
    if shipping is not None:
        taxed.append((shipping, _mixed(lines, by_category)))
    spread = _per_line if rounding is TaxRounding.PER_LINE else _per_total
    return spread(taxed, len(rates))


@lru_cache(maxsize=1024)
def _by_category(
    rates: tuple[TaxRate, ...], categories: frozenset[str | None], mode: TaxMode
) -> Mapping[str | None, Shares]:
    """What each rate takes of lines of each category. Cached: places have few rates.

    A rate that exempts a line's category does not exist for it, neither for compound rates of a higher priority nor
    inside the price. Categories with the same rates have the same shares, by identity.
    """
    paid = {category: _paid(rates, category) for category in categories}
    shares = {kind: _shares(rates, kind, mode) for kind in paid.values()}
    return {category: shares[kind] for category, kind in paid.items()}


def _paid(rates: Sequence[TaxRate], category: str | None) -> tuple[int, ...]:
    """The rates of a category, by index. GST is paid where HST is not: HST contains it."""
    paid = [n for n, rate in enumerate(rates) if category not in rate.exempt_categories]
    if any(rates[n].tax_type is TaxType.HST for n in paid):
        return tuple(n for n in paid if rates[n].tax_type is not TaxType.GST)
    return tuple(paid)


def _shares(rates: Sequence[TaxRate], paid: Sequence[int], mode: TaxMode) -> Shares:
    effective: dict[int, Fraction] = {}
    below, level, before = Fraction(0), Fraction(0), None
    for n in paid:
        rate = rates[n]
        if rate.priority != before:
            below, level, before = below + level, Fraction(0), rate.priority
        effective[n] = Fraction(rate.rate) * (1 + below if rate.is_compound else 1)
        level += effective[n]
    whole = 1 if mode is TaxMode.EXCLUSIVE else 1 + below + level
    return {n: (share / whole).as_integer_ratio() for n, share in effective.items()}


def _mixed(lines: Taxable, by_category: Mapping[str | None, Shares]) -> Shares:
    """What each rate takes of shipping: the average of the lines' shares, weighted by what the lines cost."""
    kinds = {id(shares): shares for shares in by_category.values()}
    if len(kinds) == 1:
        return next(iter(kinds.values()))
    weights = dict.fromkeys(kinds, 0)
    costs = lines.nets if any(lines.nets) else lines.bases
    for cost, category in zip(costs, lines.categories, strict=True):
        weights[id(by_category[category])] += cost
    if not any(weights.values()):
        weights = dict.fromkeys(kinds, 1)
    whole = sum(weights.values())
    terms: dict[int, list[Ratio]] = {}
    for kind, weight in weights.items():
        for n, (above, below) in kinds[kind].items():
            terms.setdefault(n, []).append((weight * above, below))
    mixed: dict[int, Ratio] = {}
    for n, parts in terms.items():
        common = math.lcm(*[below for _, below in parts])
        mixed[n] = (sum([above * (common // below) for above, below in parts]), common * whole)
    return mixed


def _per_line(lines: Taxed, count: int) -> Taxes:
    by_rate, by_line = [0] * count, [0] * len(lines)
    terms: dict[int, list[tuple[int, int, int, int]]] = {}
    for position, (net, shares) in enumerate(lines):
        if not net:
            continue
        own = terms.get(id(shares))
        if own is None:
            own = [(n, 2 * above, below, 2 * below) for n, (above, below) in shares.items()]
            terms[id(shares)] = own
        whole = 0
        for n, twice, denominator, double in own:
            part = (net * twice + denominator) // double  # q, without a call: this is the hottest loop
            by_rate[n] += part
            whole += part
        by_line[position] = whole
    return Taxes(by_rate, by_line)


def _per_total(lines: Taxed, count: int) -> Taxes:
    """Each rate's exact sum is rounded once; what each line shows of it is its share of that."""
    by_rate, by_line = [0] * count, [0] * len(lines)
    for n in range(count):
        parts = [shares.get(n, (0, 1)) for _, shares in lines]
        whole = math.lcm(*(below for _, below in parts))
        weights = [
            net * above * (whole // below) for (net, _), (above, below) in zip(lines, parts, strict=True)
        ]
        by_rate[n] = q(sum(weights), whole)
        for position, part in enumerate(allocate(by_rate[n], weights)):
            by_line[position] += part
    return Taxes(by_rate, by_line)
