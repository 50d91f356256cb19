"""What shipping costs: the rules of the chosen zone, each with its bounds and its price (D8)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from cartctl.cart.enums import ShippingRuleType
from cartctl.cart.pricing.money import Currency
from cartctl.cart.pricing.shipping.weights import GRAMS, in_unit, started_units
from cartctl.cart.pricing.shipping.zones import ShippingRule


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is shipped. `cost` is M, what the lines still cost; `units` without gifts, `grams` with them."""

    cost: Decimal
    units: int
    grams: Fraction


class Offer(NamedTuple):
    """A rule that ships this parcel, and for how many minor units."""

    rule: ShippingRule
    amount: int


def offers(rules: Iterable[ShippingRule], parcel: Parcel, currency: Currency) -> list[Offer]:
    """The rules that take this parcel, cheapest first, ties by sortOrder and id."""
    accepting = [
        Offer(rule, amount)
        for rule in rules
        if rule.is_active
        and _in(rule, currency)
        and _takes(rule, parcel)
        and (amount := _price(rule, parcel, currency)) is not None
    ]
    return sorted(accepting, key=lambda offer: (offer.amount, offer.rule.sort_order, offer.rule.id))


def _in(rule: ShippingRule, currency: Currency) -> bool:
    """Whether a rule's prices can be paid in a currency: one made for cents is not offered in yen."""
    return (
        currency.holds(rule.base_rate)
        and currency.holds(rule.per_item_rate)
        and currency.holds(rule.per_weight_unit_rate)
        and currency.holds(rule.quote)
    )


def _takes(rule: ShippingRule, parcel: Parcel) -> bool:
    low, high, cost = rule.min_order_total, rule.max_order_total, parcel.cost
    within = (low is None or cost >= low) and (high is None or cost < high)
    return within and _carries(rule, parcel.grams)


def _carries(rule: ShippingRule, weight: Fraction) -> bool:
    """Whether a rule takes so many grams; one that goes by weight in a unit that nobody knows takes none."""
    by_weight = rule.type is ShippingRuleType.WEIGHT_BASED
    unbounded = rule.min_weight is None and rule.max_weight is None
    if unbounded and not by_weight:
        return True
    if rule.weight_unit not in GRAMS:
        return False
    return unbounded or _within(rule.min_weight, in_unit(weight, rule.weight_unit), rule.max_weight)


def _within(low: Decimal | None, value: Fraction, high: Decimal | None) -> bool:
    return (low is None or value >= low) and (high is None or value < high)


def _price(rule: ShippingRule, parcel: Parcel, currency: Currency) -> int | None:
    """The price in minor units; None for a CALCULATED rule without a quote."""
    if rule.type is ShippingRuleType.CALCULATED and rule.quote is None:
        return None
    threshold = rule.free_shipping_threshold
    if rule.type is ShippingRuleType.FREE or (threshold is not None and parcel.cost >= threshold):
        return 0
    base = currency.minor(rule.base_rate)
    match rule.type:
        case ShippingRuleType.CALCULATED:
            return currency.minor(rule.quote or Decimal(0))
        case ShippingRuleType.PER_ITEM:
            return base + currency.minor(rule.per_item_rate or Decimal(0)) * parcel.units
        case ShippingRuleType.WEIGHT_BASED:
            started = started_units(parcel.grams, rule.weight_unit)
            return base + currency.minor(rule.per_weight_unit_rate or Decimal(0)) * started
        case _:
            return base
