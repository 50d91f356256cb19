"""What each tax rate takes of each line and of shipping (D8). Fractions are exact until `q`."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
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


Kinds = tuple[int, ...]
"""The indexes of the rates that a line is taxed by; lines of one kind share their fractions."""

Fractions = Mapping[int, Fraction]
"""What each rate takes, by the rate's index: of the net, or of the gross when prices include tax."""


def tax(
    lines: Taxable,
    rates: Sequence[TaxRate],
    mode: TaxMode,
    rounding: TaxRounding,
    shipping: int | None = None,
) -> Taxes:
    """The taxes of some lines by rates in order of priority, as `applicable_rates` gives them.

    `shipping` (minor units) is taxed as one more line, each rate by the share of the lines that pay it: the lines' nets
    are the shares, or their bases where all nets are 0.
    """
    kinds = {category: _kinds(rates, category) for category in set(lines.categories)}
    fractions = {kind: shares(rates, kind, mode) for kind in set(kinds.values())}
    by_category = {category: fractions[kind] for category, kind in kinds.items()}
    taxed: list[tuple[int, Fractions]] = [
        (net, by_category[category]) for net, category in zip(lines.nets, lines.categories, strict=True)
    ]
    if shipping is not None:
        taxed.append((shipping, _mixed(lines, kinds, fractions)))
    spread = _per_line if rounding is TaxRounding.PER_LINE else _per_total
    return spread(taxed, len(rates))


def shares(rates: Sequence[TaxRate], kinds: Kinds, mode: TaxMode) -> Fractions:
    """What each of a line's rates takes of it.

    `rates` are in order of priority. A rate that exempts the line's category does not exist for it, neither for compound
    rates of a higher priority nor inside the price.
    """
    taken = _shares(tuple((rates[n].rate, rates[n].priority, rates[n].is_compound) for n in kinds), mode)
    return dict(zip(kinds, taken, strict=True))


@lru_cache(maxsize=4096)
def _shares(rates: tuple[tuple[Decimal, int, bool], ...], mode: TaxMode) -> tuple[Fraction, ...]:
    """The fractions of rates, given by rate, priority and whether they are compound. Cached: places have few rates."""
    effective: list[Fraction] = []
    below, level, before = Fraction(0), Fraction(0), None
    for rate, priority, is_compound in rates:
        if priority != before:
            below, level, before = below + level, Fraction(0), priority
        effective.append(Fraction(rate) * (1 + below if is_compound else 1))
        level += effective[-1]
    if mode is TaxMode.EXCLUSIVE:
        return tuple(effective)
    gross = 1 + below + level
    return tuple(share / gross for share in effective)


def _kinds(rates: Sequence[TaxRate], category: str | None) -> Kinds:
    """The rates of a category. GST is paid where HST is not: HST contains it."""
    paid = [n for n, rate in enumerate(rates) if category not in rate.exempt_categories]
    if any(rates[n].tax_type is TaxType.HST for n in paid):
        return tuple(n for n in paid if rates[n].tax_type is not TaxType.GST)
    return tuple(paid)


def _mixed(
    lines: Taxable, kinds: Mapping[str | None, Kinds], fractions: Mapping[Kinds, Fractions]
) -> Fractions:
    """What each rate takes of shipping: the average of the lines' fractions, weighted by what the lines cost."""
    weights: dict[Kinds, int] = {}
    costs = lines.nets if any(lines.nets) else lines.bases
    for cost, category in zip(costs, lines.categories, strict=True):
        kind = kinds[category]
        weights[kind] = weights.get(kind, 0) + cost
    if len(weights) == 1:
        return fractions[next(iter(weights))]
    whole = sum(weights.values())
    mixed: dict[int, Fraction] = {}
    for kind, weight in weights.items():
        share = Fraction(weight, whole) if whole else Fraction(1, len(weights))
        for n, fraction in fractions[kind].items():
            mixed[n] = mixed.get(n, Fraction(0)) + share * fraction
    return mixed


Taxed = Sequence[tuple[int, Fractions]]  # each line's net in minor units, and its fractions


def _per_line(lines: Taxed, count: int) -> Taxes:
    by_rate, by_line = [0] * count, [0] * len(lines)
    ratios: dict[int, list[tuple[int, int, int]]] = {}  # lines of one kind share their fractions' identity
    for position, (net, fractions) in enumerate(lines):
        if not net:
            continue
        found = ratios.get(id(fractions))
        if found is None:
            found = [(n, 2 * part.numerator, part.denominator) for n, part in fractions.items()]
            ratios[id(fractions)] = found
        whole = 0
        for n, twice, denominator in found:
            part = (net * twice + denominator) // (
                2 * denominator
            )  # q, without a call: this is the hottest loop
            by_rate[n] += part
            whole += part
        by_line[position] = whole
    return Taxes(by_rate, by_line)


def _per_total(lines: Taxed, count: int) -> Taxes:
    """Each rate's exact sum is rounded once; what each line shows of it is its share of that."""
    by_rate, by_line = [0] * count, [0] * len(lines)
    for n in range(count):
        parts = [fractions.get(n, Fraction(0)) for _, fractions in lines]
        whole = math.lcm(*(part.denominator for part in parts))
        weights = [net * int(part * whole) for (net, _), part in zip(lines, parts, strict=True)]
        by_rate[n] = q(sum(weights), whole)
        for position, part in enumerate(allocate(by_rate[n], weights)):
            by_line[position] += part
    return Taxes(by_rate, by_line)
