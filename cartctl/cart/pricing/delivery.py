"""Steps 5 and 6 of pricing (D3): how a cart is shipped, and for how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cartctl.cart.pricing.discounts import Discounts
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import ShippingStatus
from cartctl.cart.pricing.promotions.gifts import Gift
from cartctl.cart.pricing.shipping.offers import Offer, Parcel, offers
from cartctl.cart.pricing.shipping.weights import grams
from cartctl.cart.pricing.shipping.zones import ShippingZone, zone_for


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a cart is shipped; `cost` is after shipping promotions, in minor units, `parcel` what was shipped for it.

    `options` are all rules that take the parcel, cheapest first.
    """

    status: ShippingStatus
    cost: int = 0
    zone: ShippingZone | None = None
    offer: Offer | None = None
    parcel: Parcel | None = None
    options: Sequence[Offer] = ()


def deliver(request: PricingRequest, discounts: Discounts, gift: Gift | None, cost: int) -> Delivery:
    """Ship a cart whose lines still cost `cost` by the chosen rule if it is eligible, else by the cheapest (D8).

    Without an eligible rule shipping is unavailable, never free. The weight of a gift counts unless it would make
    shipping more expensive or unavailable.
    """
    if not (request.shipping_required and request.lines):
        discounts.on_shipping(0)
        return Delivery(ShippingStatus.NOT_REQUIRED)
    zone = zone_for(request.zones, request.ship_to)
    own, with_gift = _weights(request, gift)
    units = sum(line.quantity for line in request.lines)
    paid = request.currency.amount(cost)
    weights = (own,) if own == with_gift else (with_gift, own)
    parcels = [Parcel(paid, units, weight) for weight in weights]
    possible = [(_options(request, zone, parcel), parcel) for parcel in parcels]
    deliverable = [(_chosen(request, options), options, parcel) for options, parcel in possible if options]
    if not deliverable:
        discounts.on_shipping(0)
        return Delivery(ShippingStatus.UNAVAILABLE, zone=zone, parcel=parcels[-1])
    offer, options, parcel = min(deliverable, key=lambda one: one[0].amount)
    left = discounts.on_shipping(offer.amount)
    return Delivery(ShippingStatus.RESOLVED, left, zone, offer, parcel, options)


def offered(request: PricingRequest, zone: ShippingZone | None, parcel: Parcel) -> Offer | None:
    """The chosen rule of a zone while it takes the parcel, else the cheapest that does; None without one."""
    options = _options(request, zone, parcel)
    return _chosen(request, options) if options else None


def _options(request: PricingRequest, zone: ShippingZone | None, parcel: Parcel) -> list[Offer]:
    return offers(zone.rules, parcel, request.currency) if zone else []


def _chosen(request: PricingRequest, options: Sequence[Offer]) -> Offer:
    chosen = (offer for offer in options if offer.rule.id == request.shipping_rule_id)
    return next(chosen, options[0])


def _weights(request: PricingRequest, gift: Gift | None) -> tuple[Fraction, Fraction]:
    """Grams of the shopper's own units, and with the gift, whose weight is that of the cart's own line, if known."""
    sums: dict[int, int] = {}  # numerators by denominator: fewer fractions to add
    for line in request.lines:
        if line.weight:
            numerator, denominator = grams(line.weight, line.weight_unit)
            sums[denominator] = sums.get(denominator, 0) + numerator * line.quantity
    numerator, denominator = 0, 1
    for below, above in sums.items():
        numerator, denominator = numerator * below + above * denominator, denominator * below
    total = Fraction(numerator, denominator)
    return total, total + _weight_of(gift, request) if gift else total


def _weight_of(gift: Gift, request: PricingRequest) -> Fraction:
    """Grams of a gift: its units weigh what the cart's own line of that product does, as far as it is known."""
    for line in request.lines:
        if line.product_id == gift.product_id and line.weight:
            return Fraction(*grams(line.weight, line.weight_unit)) * gift.quantity
    return Fraction(0)
