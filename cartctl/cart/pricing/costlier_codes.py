"""Codes that make a cart cost more, since the discount loses free shipping or a better discount."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from cartctl.cart.enums import PromotionType
from cartctl.cart.pricing.delivery import Delivery, offered
from cartctl.cart.pricing.discounts import Discounts
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult, ShippingStatus
from cartctl.cart.pricing.shipping.zones import ShippingRule

Price = Callable[[PricingRequest], PricingResult]


def may_cost_more(request: PricingRequest, discounts: Discounts, delivery: Delivery, saved: int) -> bool:
    """Whether a code could cost more than it saves: shipping would be cheaper without it, or it uses up units.

    `saved` is the discount on merchandise in minor units. Cheap, so that it can be part of every calculation.
    """
    if not saved:
        return False
    gets = [each.id for each in request.promotions if each.type is PromotionType.BUY_X_GET_Y]
    if len(gets) > 1 and len(discounts.applied.keys() & set(gets)) > 1:
        return True
    parcel = delivery.parcel
    if parcel is None or delivery.zone is None or not any(map(_goes_by_cost, delivery.zone.rules)):
        return False
    for amount in {saved, *discounts.applied.values()}:
        costlier = replace(parcel, cost=parcel.cost + request.currency.amount(amount))
        offer = offered(request, delivery.zone, costlier)
        if offer and (delivery.offer is None or offer.amount < delivery.offer.amount):
            return True
    return False


def _goes_by_cost(rule: ShippingRule) -> bool:
    bounds = (rule.free_shipping_threshold, rule.min_order_total, rule.max_order_total)
    return any(bound is not None for bound in bounds)


def costlier_codes(request: PricingRequest, result: PricingResult, price: Price) -> Iterator[str]:
    """A warning for each applied code without which the cart would cost less, or could be shipped."""
    for outcome in result.promotions:
        if not outcome.amount:
            continue
        others = tuple(each for each in request.promotions if each.id != outcome.id)
        without = price(replace(request, promotions=others))
        if without.shipping_status is ShippingStatus.UNAVAILABLE:
            continue
        if result.shipping_status is ShippingStatus.UNAVAILABLE:
            yield f"{outcome.code}: the cart can be shipped only without this code"
        elif without.grand_total < result.grand_total:
            more = result.grand_total - without.grand_total
            yield f"{outcome.code}: the cart costs {more:f} {request.currency.code} more with this code than without it"
