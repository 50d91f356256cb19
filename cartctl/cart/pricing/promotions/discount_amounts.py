"""How much one promotion takes off (D6). All amounts here are whole minor units, line by line, in line order."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cartctl.cart.enums import PromotionScope, PromotionType
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import Currency, allocate, q
from cartctl.cart.pricing.promotions.eligibility import eligible_lines
from cartctl.cart.pricing.promotions.promotion import Promotion


@dataclass(frozen=True, slots=True)
class Basket:
    """The lines that promotions look at: the shopper's own, never a gift's. `prices` are the unit prices in minor units."""

    currency: Currency
    lines: Sequence[Line]
    prices: Sequence[int]


def taken_off_lines(promotion: Promotion, basket: Basket, rest: Sequence[int]) -> list[int]:
    """What a promotion on products, categories or the cart takes off each line, given what each still costs (`rest`)."""
    eligible = eligible_lines(promotion, basket.lines)
    if promotion.scope is PromotionScope.CART:
        return _off_the_cart(promotion, basket, eligible, rest)
    if promotion.type is PromotionType.BUY_X_GET_Y:
        off = _bought_and_got(promotion, basket, eligible, rest)
    elif promotion.type is PromotionType.PERCENTAGE_OFF:
        numerator, denominator = percentage(promotion.value)
        off = {n: q(rest[n] * numerator, denominator) for n in eligible}
    else:
        each = basket.currency.minor(promotion.value)
        off = {n: min(each * basket.lines[n].quantity, rest[n]) for n in eligible}
    return _spread(_capped(promotion, basket.currency, off, rest), len(rest))


def taken_off_shipping(promotion: Promotion, currency: Currency, rest: Sequence[int]) -> list[int]:
    """What a promotion on shipping takes off; `rest` and the result hold the one amount."""
    (cost,) = rest
    off = cost
    if promotion.type is PromotionType.PERCENTAGE_OFF:
        numerator, denominator = percentage(promotion.value)
        off = q(cost * numerator, denominator)
    elif promotion.type is PromotionType.FIXED_AMOUNT_OFF:
        off = min(currency.minor(promotion.value), cost)
    return [_at_most(promotion, currency, off)]


def percentage(value: Decimal) -> tuple[int, int]:
    """A percentage as an exact fraction."""
    numerator, denominator = value.as_integer_ratio()
    return numerator, denominator * 100


def units_got(bought: int, got: int, *, buy: int, get: int, same: bool) -> int:
    """The largest n ≤ `got` with `bought` - (n if `same`) ≥ `buy` · ⌈n / `get`⌉ (D6).

    `same`: the units that are got are among those bought, so that each can only be one of the two.
    """
    if not same:
        return min(got, get * (bought // buy))
    groups, over = divmod(bought, buy + get)
    return min(got, groups * get + max(0, over - buy))


def _off_the_cart(
    promotion: Promotion, basket: Basket, eligible: Sequence[int], rest: Sequence[int]
) -> list[int]:
    weights = [rest[n] for n in eligible]
    whole = sum(weights)
    if promotion.type is PromotionType.PERCENTAGE_OFF:
        numerator, denominator = percentage(promotion.value)
        off = q(whole * numerator, denominator)
    else:
        off = min(basket.currency.minor(promotion.value), whole)
    parts = allocate(_at_most(promotion, basket.currency, off), weights)
    return _spread(dict(zip(eligible, parts, strict=True)), len(rest))


def _bought_and_got(
    promotion: Promotion, basket: Basket, eligible: Sequence[int], rest: Sequence[int]
) -> dict[int, int]:
    lines = basket.lines
    numerator, denominator = percentage(promotion.value)
    off = {}
    for n, units in _cheapest(promotion, basket, eligible).items():
        off[n] = q(rest[n] * units * numerator, lines[n].quantity * denominator)
    return off


def _cheapest(promotion: Promotion, basket: Basket, eligible: Sequence[int]) -> dict[int, int]:
    """How many units of each line are got: the cheapest ones, ties to the earlier line."""
    lines, product = basket.lines, promotion.get_product_id
    given = eligible if product is None else [n for n, line in enumerate(lines) if line.product_id == product]
    left = units_got(
        sum(lines[n].quantity for n in eligible),
        sum(lines[n].quantity for n in given),
        buy=promotion.buy_quantity or 1,
        get=promotion.get_quantity or 1,
        same=set(given) <= set(eligible),
    )
    units: dict[int, int] = {}
    for n in sorted(given, key=lambda n: (basket.prices[n], n)):
        if left <= 0:
            break
        units[n] = min(left, lines[n].quantity)
        left -= units[n]
    return units


def _at_most(promotion: Promotion, currency: Currency, off: int) -> int:
    cap = promotion.maximum_discount
    return off if cap is None else min(off, currency.minor(cap))


def _capped(
    promotion: Promotion, currency: Currency, off: dict[int, int], rest: Sequence[int]
) -> dict[int, int]:
    """The discounts with maximumDiscount kept: where it bites, the cap is split by what the lines cost."""
    whole = sum(off.values())
    cap = _at_most(promotion, currency, whole)
    if cap == whole:
        return off
    return dict(zip(off, allocate(cap, [rest[n] for n in off]), strict=True))


def _spread(off: dict[int, int], length: int) -> list[int]:
    return [off.get(n, 0) for n in range(length)]
