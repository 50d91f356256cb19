"""D4, D6 and D7 beyond a quote: limits, customers, companies, and gifts that are declined."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cartctl.cart.enums import PromotionScope, PromotionType, ShippingRuleType
from cartctl.cart.errors import CodeRequiresLogin, GiftFixed, LimitReached
from cartctl.cart.lifecycle import limits
from cartctl.cart.lifecycle.cart import Item, refuse_change
from cartctl.cart.lifecycle.payment import accepted_quote
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import ShippingStatus
from cartctl.cart.pricing.promotions.codes import canonical_code
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OFF = Promotion(
    "P", "SAVE", PromotionType.FIXED_AMOUNT_OFF, PromotionScope.CART, Decimal(1), NOW, stackable=True
)
GIFT = Promotion("G", "GIFT", PromotionType.FREE_GIFT, PromotionScope.CART, Decimal(0), NOW, get_product_id="g", get_quantity=2)  # fmt: skip
REQUEST = PricingRequest(
    currency("USD"), NOW, (Line("l1", "p1", Decimal(5), 2),), company_id="c1", customer_id="u1"
)


@pytest.mark.parametrize(
    ("promotion", "customer", "used", "reason"),
    (
        (replace(OFF, max_uses_total=2, current_uses=1), None, {}, None),
        (replace(OFF, max_uses_total=2, current_uses=2), None, {}, Reason.LIMIT_REACHED),
        (replace(OFF, max_uses_total=0), None, {}, Reason.LIMIT_REACHED),
        (replace(OFF, max_uses_per_customer=2), "u1", {"P": 1, "Q": 9}, None),
        (replace(OFF, max_uses_per_customer=2), "u1", {"P": 2}, Reason.LIMIT_REACHED),
        (replace(OFF, max_uses_per_customer=2), None, {}, Reason.CODE_REQUIRES_LOGIN),
        (replace(OFF, company_id="c1"), None, {}, None),
        (replace(OFF, company_id="c2"), None, {}, Reason.OTHER_COMPANY),
    ),
)
def test_limits_and_companies_decide(
    promotion: Promotion, customer: str | None, used: dict[str, int], reason: Reason | None
) -> None:
    """D4, D12: a promotion counts in its company, while its limits are open, for whoever they can be counted for."""
    priced = price(replace(REQUEST, promotions=(promotion,), customer_id=customer, used=used))
    assert priced.promotions[0].reason == reason


@pytest.mark.parametrize(
    "wrong",
    (
        replace(OFF, scope=PromotionScope.SHIPPING, type=PromotionType.FREE_GIFT),
        replace(OFF, type=PromotionType.PERCENTAGE_OFF, value=Decimal("100.01")),
        replace(OFF, value=Decimal(-1)),
        replace(OFF, value=Decimal("0.001")),
        replace(OFF, maximum_discount=Decimal("0.001")),
        replace(OFF, type=PromotionType.BUY_X_GET_Y, scope=PromotionScope.PRODUCT, buy_quantity=2),
        replace(GIFT, get_product_id=None),
    ),
)
def test_terms_that_make_no_sense_count_for_nothing(wrong: Promotion) -> None:
    """D4, D3: what another program wrote into the database is not applied, and breaks no cart."""
    priced = price(replace(REQUEST, promotions=(wrong,)))
    assert (priced.promotions[0].reason, priced.grand_total) == (Reason.INVALID_TERMS, Decimal(10))


def test_codes_are_trimmed_and_case_does_not_count() -> None:
    """D4: what a shopper types is compared in its canonical form."""
    assert canonical_code("  Save10\t") == canonical_code("SAVE10")


def test_applied_promotions_are_used_up_in_the_order_of_their_ids() -> None:
    """D7: each applied promotion once, gifts included, those that were not applied never."""
    result = (
        replace(OFF, id="b", code="B"),
        GIFT,
        replace(OFF, id="a", code="A"),
        replace(OFF, id="c", code="C", is_active=False),
    )
    results = limits.usages(
        accepted_quote(REQUEST, price(replace(REQUEST, promotions=result))), "o1", "k1", "u1"
    )
    assert [(use.promotion_id, use.discount_amount) for use in results] == [
        ("G", Decimal("0.00")),
        ("a", Decimal("1.00")),
        ("b", Decimal("1.00")),
    ]
    assert {(use.order_id, use.cart_id, use.customer_id) for use in results} == {("o1", "k1", "u1")}


def test_a_guest_has_no_limit_of_their_own() -> None:
    """D7: a code that is limited per customer asks a guest to log in."""
    with pytest.raises(CodeRequiresLogin) as refused:
        limits.refuse_guest(replace(OFF, max_uses_per_customer=1), None)
    assert refused.value.code == "CODE_REQUIRES_LOGIN"
    limits.refuse_guest(replace(OFF, max_uses_per_customer=1), "u1")
    limits.refuse_guest(OFF, None)


def test_one_use_too_many_is_refused() -> None:
    """D7: with the row locked, the total and the customer's own count each decide."""
    limited = replace(OFF, max_uses_total=3, max_uses_per_customer=1)
    limits.refuse_used_up(limited, 2, 0)
    for total, own in ((3, 0), (2, 1)):
        with pytest.raises(LimitReached):
            limits.refuse_used_up(limited, total, own)


def test_cancelling_gives_back_once() -> None:
    """D7: an order's usages are released once, also when it is cancelled twice."""
    recorded = [
        limits.Usage(name, order, "k1", None, Decimal(1))
        for name, order in (("b", "o1"), ("a", "o1"), ("a", "o2"))
    ]
    given = limits.released_usages("o1", recorded)
    assert [use.promotion_id for use in given] == ["a", "b"]
    left = [use for use in recorded if use not in given]
    assert limits.released_usages("o1", left) == ()


def test_a_gift_can_be_declined_and_not_changed() -> None:
    """D6: the shopper may do without a gift; its line is the promotion's."""
    result = replace(REQUEST, promotions=(GIFT,))
    assert price(result).item_count == 4
    declined = price(replace(result, declined_gifts={"G"}))
    assert (declined.item_count, declined.promotions[0].reason) == (2, Reason.GIFT_DECLINED)
    item = Item("i1", "g", 2, Decimal(0), NOW, gift_promotion_id="G")
    with pytest.raises(GiftFixed):
        refuse_change(item)
    refuse_change(replace(item, gift_promotion_id=None))


def test_a_gift_goes_when_its_promotion_does() -> None:
    """D6, D4: a promotion is judged at every calculation, and its gift goes with it."""
    result = replace(REQUEST, promotions=(replace(GIFT, minimum_order_amount=Decimal(10)),))
    assert [line.gift for line in price(result).lines] == [False, True]
    smaller = replace(result, lines=(replace(result.lines[0], quantity=1),))
    assert [line.gift for line in price(smaller).lines] == [False]


def test_a_rule_made_for_cents_is_not_offered_in_yen() -> None:
    """D8, D2: a price that the currency cannot pay is no offer, and nothing is shipped for free instead."""
    rule = ShippingRule("r", ShippingRuleType.FLAT_RATE, Decimal("4.99"))
    zone = ShippingZone("z", NOW, rules=(rule, replace(rule, id="s", base_rate=Decimal("700.00"))))
    result = replace(REQUEST, currency=currency("JPY"), shipping_required=True, zones=(zone,))
    assert price(result).shipping_total == Decimal(700)
    only = replace(result, zones=(replace(zone, rules=(rule,)),))
    assert price(only).shipping_status is ShippingStatus.UNAVAILABLE
