"""How much one promotion takes off (D6). All amounts here are whole minor units, line by line, in line order."""

from collections.abc import Sequence
from decimal import Decimal

from cartctl.cart.enums import PromotionScope, PromotionType
from cartctl.cart.pricing.money import Currency, allocate, q
from cartctl.cart.pricing.promotions.basket import Basket
from cartctl.cart.pricing.promotions.buy_x_get_y import units_of
from cartctl.cart.pricing.promotions.eligibility import eligible_lines
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.pricing.promotions.stacking import Discount, Units


def line_discount(promotion: Promotion, basket: Basket, rest: Sequence[int], counted: Units) -> Discount:
    """What a promotion on products, categories or the cart takes off each line, given what each still costs (`rest`).

    `counted` has the units that other buy-X-get-Y promotions have counted: no unit counts for two of them.
    """
    eligible = eligible_lines(promotion, basket.lines)
    if promotion.scope is PromotionScope.CART:
        return Discount(_off_the_cart(promotion, basket, eligible, rest))
    units: Units = {}
    if promotion.type is PromotionType.BUY_X_GET_Y:
        got, units = units_of(promotion, basket, eligible, counted)
        numerator, denominator = percentage(promotion.value)
        off = {
            n: q(rest[n] * count * numerator, basket.lines[n].quantity * denominator)
            for n, count in got.items()
        }
    elif promotion.type is PromotionType.PERCENTAGE_OFF:
        numerator, denominator = percentage(promotion.value)
        off = {n: q(rest[n] * numerator, denominator) for n in eligible}
    else:
        each = basket.currency.minor(promotion.value)
        off = {n: min(each * basket.lines[n].quantity, rest[n]) for n in eligible}
    capped = _capped(promotion, basket.currency, off, rest)
    # A promotion that gives nothing leaves its units to the next.
    return Discount(_spread(capped, len(rest)), units if units and any(capped.values()) else {})


def shipping_discount(promotion: Promotion, currency: Currency, rest: Sequence[int]) -> Discount:
    """What a promotion on shipping takes off; `rest` and the result contain the one amount."""
    (cost,) = rest
    off = cost
    if promotion.type is PromotionType.PERCENTAGE_OFF:
        numerator, denominator = percentage(promotion.value)
        off = q(cost * numerator, denominator)
    elif promotion.type is PromotionType.FIXED_AMOUNT_OFF:
        off = min(currency.minor(promotion.value), cost)
    return Discount([_at_most(promotion, currency, off)])


def percentage(value: Decimal) -> tuple[int, int]:
    """A percentage as an exact fraction."""
    numerator, denominator = value.as_integer_ratio()
    return numerator, denominator * 100


def _off_the_cart(
    promotion: Promotion, basket: Basket, eligible: Sequence[int], rest: Sequence[int]
) -> list[int]:
    weights = rest if len(eligible) == len(rest) else [rest[n] for n in eligible]
    whole = sum(weights)
    if promotion.type is PromotionType.PERCENTAGE_OFF:
        numerator, denominator = percentage(promotion.value)
        off = q(whole * numerator, denominator)
    else:
        off = min(basket.currency.minor(promotion.value), whole)
    parts = allocate(_at_most(promotion, basket.currency, off), weights)
    if len(parts) == len(rest):
        return parts
    return _spread(dict(zip(eligible, parts, strict=True)), len(rest))


def _at_most(promotion: Promotion, currency: Currency, off: int) -> int:
    cap = promotion.maximum_discount
    return off if cap is None else min(off, currency.minor(cap))


def _capped(
    promotion: Promotion, currency: Currency, off: dict[int, int], rest: Sequence[int]
) -> dict[int, int]:
    """The discounts with maximumDiscount kept: where it bites, the cap is split by what the lines cost."""
    if promotion.maximum_discount is None:
        return off
    whole = sum(off.values())
    cap = _at_most(promotion, currency, whole)
    if cap == whole:
        return off
    return dict(zip(off, allocate(cap, [rest[n] for n in off]), strict=True))


def _spread(off: dict[int, int], length: int) -> list[int]:
    parts = [0] * length
    for n, part in off.items():
        parts[n] = part
    return parts
