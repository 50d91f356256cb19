"""A discount that was shown and is no longer given stops a conversion; a code without effect does not (D4)."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from cartctl.cart.enums import PromotionType
from cartctl.cart.errors import DiscountLost, LimitReached
from cartctl.cart.lifecycle.limits import refuse_guest
from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason


def refuse_lost_discounts(
    request: PricingRequest, priced: PricingResult, shown: Mapping[str, Decimal], agreed: AgreedTotal
) -> None:
    """Compare a cart's price with the discounts it was shown with, by promotion id.

    A shopper who has agreed to the new total has seen it and is not refused.

    Raises DiscountLost with the new total for a code that gave a discount then and gives none now; CodeRequiresLogin and
    LimitReached where its limit is the reason. A gift is not a discount: it does not count, and costs nothing either way.
    """
    if agreed == AgreedTotal(priced.grand_total, request.currency.code):
        return
    for promotion, outcome in zip(request.promotions, priced.promotions, strict=True):
        if outcome.amount or not shown.get(promotion.id) or promotion.type is PromotionType.FREE_GIFT:
            continue
        total = f"{priced.grand_total:f} {request.currency.code}"
        if outcome.reason is Reason.CODE_REQUIRES_LOGIN:
            refuse_guest(promotion, request.customer_id)
        if outcome.reason is Reason.LIMIT_REACHED:
            raise limit_reached(request, promotion)
        raise DiscountLost(
            f"{promotion.code} no longer applies ({outcome.reason}); without it, the total is {total}.",
            promotion_code=promotion.code,
            total=total,
            hint="Show the new total.",
        )


def limit_reached(request: PricingRequest, promotion: Promotion) -> LimitReached:
    """The error for a promotion whose limit is reached, with what the cart costs without it."""
    others = tuple(each for each in request.promotions if each.id != promotion.id)
    total = price(replace(request, promotions=others)).grand_total
    return LimitReached(
        f"{promotion.code} has reached its usage limit; without it, the total is {total:f} {request.currency.code}.",
        hint="Show the new total.",
    )
