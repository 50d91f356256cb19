"""What a cart costs: the order of operations (D3), from unit prices to the grand total. Amounts are minor units inside."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from operator import sub

from cartctl.cart.errors import InputError, OutOfRange
from cartctl.cart.pricing.costlier_codes import costlier_codes, may_cost_more
from cartctl.cart.pricing.delivery import Delivery, deliver
from cartctl.cart.pricing.discounts import begin
from cartctl.cart.pricing.money import LARGEST, refuse_too_many
from cartctl.cart.pricing.price_warnings import price_warnings, shortages
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import (
    PricedLine,
    PricingResult,
    Shipped,
    ShippingOffer,
    TaxAmount,
    TaxStatus,
)
from cartctl.cart.pricing.promotions.gifts import Gift
from cartctl.cart.pricing.tax.amounts import Taxable, Taxes, tax
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRate
from cartctl.cart.pricing.tax.selection import applicable_rates


def price(request: PricingRequest) -> PricingResult:
    """Every amount of a cart (D3). Pure: the same request always costs the same.

    Raises OutOfRange for a total or a number of units larger than the database's columns hold, and InputError for a unit
    price that is finer than the currency.
    """
    result, uncertain = _calculate(request)
    if not uncertain:
        return result
    warnings = tuple(costlier_codes(request, result, lambda other: _calculate(other)[0]))
    return replace(result, warnings=result.warnings + warnings)


def _calculate(request: PricingRequest) -> tuple[PricingResult, bool]:
    """The price, and whether a code may make the cart cost more."""
    money = request.currency
    prices = _prices(request)
    bases = [unit * line.quantity for unit, line in zip(prices, request.lines, strict=True)]
    subtotal = sum(bases)
    discounts = begin(request, prices, subtotal)
    rest = discounts.on_lines(bases)
    merchandise = sum(rest)
    gift = discounts.gift()
    delivery = deliver(request, discounts, gift, merchandise)
    categories = [line.category for line in request.lines]
    rates = applicable_rates(request.tax_rates, request.ship_to, set(categories))
    taxes = _tax(request, bases, rest, categories, delivery.cost, rates.rates)
    tax_total = sum(taxes.by_rate)
    grand = merchandise + delivery.cost + (tax_total if request.tax_mode is TaxMode.EXCLUSIVE else 0)
    units = sum(line.quantity for line in request.lines) + (gift.quantity if gift else 0)
    _refuse_out_of_range(request, max(grand, subtotal), units)
    missing = shortages(request)
    result = PricingResult(
        subtotal=money.amount(subtotal),
        discount_total=money.amount(subtotal - merchandise),
        shipping_total=money.amount(delivery.cost),
        tax_total=money.amount(tax_total),
        grand_total=money.amount(grand),
        item_count=units,
        tax_status=TaxStatus.UNRESOLVED if rates.problem else TaxStatus.RESOLVED,
        shipping_status=delivery.status,
        lines=_lines(request, prices, bases, rest, taxes, gift),
        promotions=discounts.outcomes(),
        taxes=tuple(
            TaxAmount(rate, money.amount(part)) for rate, part in zip(rates.rates, taxes.by_rate, strict=True)
        ),
        shipping=_shipped(request, delivery),
        shipping_offers=tuple(
            ShippingOffer(offer.rule, money.amount(offer.amount)) for offer in delivery.options
        ),
        warnings=(*missing, *price_warnings(request, discounts, delivery, rates)),
        tax_problem=rates.problem,
        shortages=missing,
    )
    return result, may_cost_more(request, discounts, delivery, subtotal - merchandise)


def _prices(request: PricingRequest) -> list[int]:
    minor, prices = request.currency.minor, []
    try:
        for line in request.lines:
            prices.append(minor(line.unit_price))  # noqa: PERF401 - its length names the line that fails
    except ValueError as finer:
        raise InputError(f"lines[{len(prices)}].unitPrice", str(finer)) from finer
    return prices


def _refuse_out_of_range(request: PricingRequest, most: int, units: int) -> None:
    money = request.currency
    if money.amount(most) > LARGEST:
        raise OutOfRange(
            "", f"The cart costs more than {LARGEST} {money.code}, the maximum that a column can store."
        )
    refuse_too_many(units)


def _tax(
    request: PricingRequest,
    bases: Sequence[int],
    nets: Sequence[int],
    categories: Sequence[str | None],
    shipping: int,
    rates: tuple[TaxRate, ...],
) -> Taxes:
    """Step 7: tax on what the lines cost after discounts, and on shipping as one more line where that is taxed."""
    lines = Taxable(nets, bases, categories)
    return tax(
        lines, rates, request.tax_mode, request.tax_rounding, shipping if request.tax_shipping else None
    )


def _lines(
    request: PricingRequest,
    prices: Sequence[int],
    bases: Sequence[int],
    nets: Sequence[int],
    taxes: Taxes,
    gift: Gift | None,
) -> tuple[PricedLine, ...]:
    money, own = request.currency, request.lines
    columns = (
        [line.id for line in own],
        repeat(False),
        money.amounts(bases),
        money.amounts(map(sub, bases, nets)),
        money.amounts(nets),
        money.amounts(taxes.by_line),  # shipping's own is the last
        [line.product_id for line in own],
        [line.quantity for line in own],
        money.amounts(prices),
    )
    lines = list(map(PricedLine, *columns))  # as many as the shortest column
    if gift:
        zero = money.amount(0)
        lines.append(
            PricedLine(
                gift.line_id, True, zero, zero, zero, zero, gift.product_id, gift.quantity, unit_price=zero
            )
        )
    return tuple(lines)


def _shipped(request: PricingRequest, delivery: Delivery) -> Shipped | None:
    if delivery.zone is None or delivery.offer is None:
        return None
    full = delivery.offer.amount
    money = request.currency
    return Shipped(delivery.zone, delivery.offer.rule, money.amount(full), money.amount(full - delivery.cost))
