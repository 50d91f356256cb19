"""The ways to ship that a shopper may choose between, with their prices."""

from datetime import UTC, datetime
from decimal import Decimal

from cartctl.cart import Line, PricingRequest, ShippingRule, ShippingRuleType, ShippingZone, currency, price

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FLAT, ITEMS = ShippingRuleType.FLAT_RATE, ShippingRuleType.PER_ITEM
RULES = (
    ShippingRule("express", FLAT, Decimal(15)),
    ShippingRule("each", ITEMS, Decimal(1), per_item_rate=Decimal(2)),
    ShippingRule("large", FLAT, Decimal(1), min_order_total=Decimal(100)),
    ShippingRule("off", FLAT, Decimal(0), is_active=False),
)


def offers(*, required: bool = True, chosen: str | None = None) -> list[tuple[str, Decimal]]:
    """The offers of a cart of two units at 10.00, by id."""
    line = Line("a", "mug", Decimal(10), 2)
    zone = ShippingZone("all", NOW, rules=RULES)
    request = PricingRequest(
        currency("USD"), NOW, (line,), shipping_required=required, shipping_rule_id=chosen, zones=(zone,)
    )
    return [(offer.rule.id, offer.amount) for offer in price(request).shipping_offers]


def test_only_what_takes_the_cart_cheapest_first() -> None:
    """Neither an inactive rule nor one for larger orders; the choice changes nothing about the offers."""
    expected = [("each", Decimal(5)), ("express", Decimal(15))]
    assert offers() == offers(chosen="express") == offers(chosen="large") == expected
    assert offers(required=False) == []
