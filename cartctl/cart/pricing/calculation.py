"""What a cart costs: the order of operations (D3), from unit prices to the grand total. Amounts are minor units inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from cartctl.cart.errors import InputError
from cartctl.cart.pricing.discounts import Discounts, begin
from cartctl.cart.pricing.money import LARGEST
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import (
    PricedLine,
    PricingResult,
    Shipped,
    ShippingStatus,
    TaxAmount,
    TaxStatus,
)
from cartctl.cart.pricing.promotions.gifts import Gift
from cartctl.cart.pricing.promotions.promotion import Reason
from cartctl.cart.pricing.shipping.offers import Offer, Parcel, offers
from cartctl.cart.pricing.shipping.weights import grams
from cartctl.cart.pricing.shipping.zones import ShippingZone, zone_for
from cartctl.cart.pricing.tax import Taxable, Taxes, TaxMode, TaxRate, rates_at, tax


@dataclass(frozen=True, slots=True)
class _Shipping:
    """How shipping came out; `cost` after its discounts."""

    status: ShippingStatus
    cost: int = 0
    zone: ShippingZone | None = None
    offer: Offer | None = None


def price(request: PricingRequest) -> PricingResult:
    """Every amount of a cart (D3). Pure: the same request always costs the same.

    Raises InputError when the total is larger than the database's columns hold, and for a unit price that is finer than
    the currency.
    """
    money = request.currency
    prices = _prices(request)
    bases = [unit * line.quantity for unit, line in zip(prices, request.lines, strict=True)]
    discounts = begin(request, prices, sum(bases))
    rest = discounts.on_lines(bases)
    gift = discounts.gift()
    shipping = _ship(request, discounts, gift, sum(rest))
    rates = rates_at(request.tax_rates, request.ship_to) if request.ship_to else []
    taxes = _tax(request, rest, shipping.cost, rates)
    grand = sum(rest) + shipping.cost
    if request.tax_mode is TaxMode.EXCLUSIVE:
        grand += sum(taxes.by_rate)
    if money.amount(max(grand, sum(bases))) > LARGEST:
        raise InputError("", f"The cart costs more than {LARGEST} {money.code}, which no column holds.")
    return PricingResult(
        subtotal=money.amount(sum(bases)),
        discount_total=money.amount(sum(bases) - sum(rest)),
        shipping_total=money.amount(shipping.cost),
        tax_total=money.amount(sum(taxes.by_rate)),
        grand_total=money.amount(grand),
        item_count=sum(line.quantity for line in request.lines) + (gift.quantity if gift else 0),
        tax_status=TaxStatus.RESOLVED if request.ship_to else TaxStatus.UNRESOLVED,
        shipping_status=shipping.status,
        lines=_lines(request, bases, rest, taxes, gift),
        promotions=discounts.outcomes(),
        taxes=tuple(
            TaxAmount(rate, money.amount(part)) for rate, part in zip(rates, taxes.by_rate, strict=True)
        ),
        shipping=_shipped(request, shipping),
        warnings=_warnings(request, discounts, shipping),
    )


def _prices(request: PricingRequest) -> list[int]:
    prices = []
    for number, line in enumerate(request.lines):
        try:
            prices.append(request.currency.minor(line.unit_price))
        except ValueError as finer:
            raise InputError(f"lines[{number}].unitPrice", str(finer)) from finer
    return prices


def _ship(request: PricingRequest, discounts: Discounts, gift: Gift | None, cost: int) -> _Shipping:
    """Steps 5 and 6: the chosen rule while it is eligible, else the cheapest; none is told, never silently free (D8)."""
    if not (request.shipping_required and request.lines):
        discounts.on_shipping(0)
        return _Shipping(ShippingStatus.NOT_REQUIRED)
    parcel = Parcel(
        cost=request.currency.amount(cost),
        units=sum(line.quantity for line in request.lines),
        grams=_grams(request, gift),
    )
    zone = zone_for(request.zones, request.ship_to)
    found = offers(zone.rules, parcel, request.currency) if zone else []
    chosen = next((offer for offer in found if offer.rule.id == request.shipping_rule_id), None)
    offer = chosen or (found[0] if found else None)
    left = discounts.on_shipping(offer.amount if offer else 0)
    if offer is None:
        return _Shipping(ShippingStatus.UNAVAILABLE, zone=zone)
    return _Shipping(ShippingStatus.RESOLVED, left, zone, offer)


def _grams(request: PricingRequest, gift: Gift | None) -> Fraction:
    """The weight of all units; a gift weighs what the cart's own line of that product does, as far as it is known."""
    total = Fraction(0)
    weighed: dict[str, Fraction] = {}
    for line in request.lines:
        if line.weight:
            each = grams(line.weight, line.weight_unit)
            weighed.setdefault(line.product_id, each)
            total += each * line.quantity
    return total + (weighed.get(gift.product_id, Fraction(0)) * gift.quantity if gift else 0)


def _tax(request: PricingRequest, nets: Sequence[int], shipping: int, rates: Sequence[TaxRate]) -> Taxes:
    """Step 7: tax on what the lines cost after discounts, and on shipping as one more line where that is taxed."""
    taxed = [Taxable(net, line.category) for net, line in zip(nets, request.lines, strict=True)]
    if request.tax_shipping:
        taxed.append(Taxable(shipping))
    return tax(taxed, rates, request.tax_mode, request.tax_rounding)


def _lines(
    request: PricingRequest, bases: Sequence[int], nets: Sequence[int], taxes: Taxes, gift: Gift | None
) -> tuple[PricedLine, ...]:
    money = request.currency
    found = [
        PricedLine(
            id=line.id,
            gift=False,
            base=money.amount(base),
            discount=money.amount(base - net),
            net=money.amount(net),
            tax=money.amount(tax_part),
            product_id=line.product_id,
            quantity=line.quantity,
            unit_price=money.amount(money.minor(line.unit_price)),
        )
        for line, base, net, tax_part in zip(request.lines, bases, nets, taxes.by_line, strict=False)
    ]
    if gift:
        none = money.amount(0)
        found.append(
            PricedLine(
                gift.line_id, True, none, none, none, none, gift.product_id, gift.quantity, unit_price=none
            )
        )
    return tuple(found)


def _shipped(request: PricingRequest, shipping: _Shipping) -> Shipped | None:
    if shipping.zone is None or shipping.offer is None:
        return None
    full = shipping.offer.amount
    money = request.currency
    return Shipped(shipping.zone, shipping.offer.rule, money.amount(full), money.amount(full - shipping.cost))


def _warnings(request: PricingRequest, discounts: Discounts, shipping: _Shipping) -> tuple[str, ...]:
    """What a person should know that is no error."""
    asked: dict[str, int] = {}
    for line in request.lines:
        asked[line.product_id] = asked.get(line.product_id, 0) + line.quantity
    found = [
        f"{product}: {units} units are asked for, {request.stock[product]} are in stock"
        for product, units in asked.items()
        if units > request.stock.get(product, units)
    ]
    found += [
        f"{promotion.id}: the gift is out of stock"
        for promotion in request.promotions
        if discounts.refused.get(promotion.id) is Reason.GIFT_OUT_OF_STOCK
    ]
    chosen = request.shipping_rule_id
    if chosen and shipping.status is not ShippingStatus.NOT_REQUIRED:
        offered = shipping.offer
        if offered is None or offered.rule.id != chosen:
            found.append(f"{chosen}: this shipping rule is not offered for the cart")
    return tuple(found)
