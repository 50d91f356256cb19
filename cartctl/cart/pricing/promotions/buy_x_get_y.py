"""Which units a buy-X-get-Y promotion counts as bought and as got (D6): each unit once, whatever the order of lines."""

from collections.abc import Sequence

from cartctl.cart.pricing.promotions.basket import Basket
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.pricing.promotions.stacking import Units


def units_of(
    promotion: Promotion, basket: Basket, eligible: Sequence[int], counted: Units
) -> tuple[dict[int, int], dict[int, int]]:
    """The units got of each line, and those that the promotion counts in all, bought or got.

    `eligible` are the lines whose units can be bought, `counted` the units that other promotions have counted. The
    cheapest units are got, of one price first those that cannot be bought, then by the line's id; the dearest are bought.
    """
    buy, get = promotion.buy_quantity or 1, promotion.get_quantity or 1
    free = [line.quantity for line in basket.lines]
    for n, count in counted.items():
        free[n] -= count
    got = _cheapest(promotion, basket, eligible, free)
    number = _number(got, eligible, free, buy=buy, get=get)
    discounted = _first(got, free, number)
    units = dict(discounted)
    left = {n: free[n] - discounted.get(n, 0) for n in eligible}
    lines, prices = basket.lines, basket.prices
    dearest = [n for _, _, n in sorted([(-prices[n], lines[n].id, n) for n in eligible])]
    for n, count in _first(dearest, left, buy * -(-number // get)).items():
        units[n] = units.get(n, 0) + count
    return discounted, units


def _cheapest(
    promotion: Promotion, basket: Basket, eligible: Sequence[int], free: Sequence[int]
) -> list[int]:
    """The lines whose units can be got, in the order in which they are."""
    lines, prices, product = basket.lines, basket.prices, promotion.get_product_id
    given = eligible if product is None else [n for n, line in enumerate(lines) if line.product_id == product]
    bought = frozenset(eligible)
    ranked = sorted([(prices[n], n in bought, lines[n].id, n) for n in given if free[n] > 0])
    return [n for _, _, _, n in ranked]


def _number(got: Sequence[int], eligible: Sequence[int], free: Sequence[int], *, buy: int, get: int) -> int:
    """How many units are got: line by line, as long as enough units remain to be bought."""
    bought, among = sum([free[n] for n in eligible]), frozenset(eligible)
    whole = 0
    for n in got:
        units, same = free[n], n in among
        remaining = bought - units if same else bought
        if remaining < buy * -(-(whole + units) // get):
            return whole + _most(whole, units, bought, buy=buy, get=get, same=same)
        whole, bought = whole + units, remaining
    return whole


def _most(before: int, units: int, bought: int, *, buy: int, get: int, same: bool) -> int:
    """How many of the units of one line can be got after `before` others: the largest n that D6 allows, not all."""
    low, high = 0, units - 1
    while low < high:
        n = (low + high + 1) // 2
        if bought - (n if same else 0) >= buy * -(-(before + n) // get):
            low = n
        else:
            high = n - 1
    return low


def _first(lines: Sequence[int], available: Units | Sequence[int], number: int) -> dict[int, int]:
    """So many units of some lines, taken in their order."""
    units: dict[int, int] = {}
    for n in lines:
        if number <= 0:
            break
        if count := min(number, available[n]):
            units[n] = count
            number -= count
    return units
