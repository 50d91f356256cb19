"""What a person should know about a price that is no error."""

from collections.abc import Iterable, Iterator, Mapping

from cartctl.cart.pricing.delivery import Delivery
from cartctl.cart.pricing.discounts import Discounts
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import ShippingStatus
from cartctl.cart.pricing.promotions.promotion import Reason
from cartctl.cart.pricing.shipping.zones import unreadable
from cartctl.cart.pricing.tax.selection import ApplicableRates


def shortages(request: PricingRequest) -> tuple[str, ...]:
    """The products of which a cart has more units than known stock."""
    if not request.stock:
        return ()
    return short_products(((line.product_id, line.quantity) for line in request.lines), request.stock)


def short_products(units: Iterable[tuple[str, int]], stock: Mapping[str, int]) -> tuple[str, ...]:
    """The products of which there are more units than known stock; a product without known stock has enough."""
    counts: dict[str, int] = {}
    for product, count in units:
        counts[product] = counts.get(product, 0) + count
    return tuple(
        f"{product}: {count} units requested, {stock[product]} in stock"
        for product, count in counts.items()
        if count > stock.get(product, count)
    )


def price_warnings(
    request: PricingRequest, discounts: Discounts, delivery: Delivery, rates: ApplicableRates
) -> Iterator[str]:
    """Gifts out of stock, a shipping rule that is not offered, and places that cannot be read."""
    for promotion in request.promotions:
        if discounts.refused.get(promotion.id) is Reason.GIFT_OUT_OF_STOCK:
            yield f"{promotion.id}: the gift is out of stock"
    if delivery.status is not ShippingStatus.NOT_REQUIRED:
        chosen, offer = request.shipping_rule_id, delivery.offer
        if chosen and (offer is None or offer.rule.id != chosen):
            yield f"{chosen}: this shipping rule is not available for the cart"
        yield from unreadable(request.zones, request.ship_to)
    if request.ship_to and rates.problem:
        yield rates.problem
    if rates.warning:
        yield rates.warning
