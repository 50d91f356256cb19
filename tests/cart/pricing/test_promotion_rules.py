"""D4, D6: codes, gifts, codes that make a cart dearer, and the bounds of what a cart may cost."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl.cart.enums import PromotionScope, PromotionType, ShippingRuleType
from cartctl.cart.errors import InputError, OutOfRange
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import MOST_UNITS, currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import ShippingStatus
from cartctl.cart.pricing.promotions.codes import canonical_code
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OFF = Promotion(
    "P", "SAVE", PromotionType.FIXED_AMOUNT_OFF, PromotionScope.CART, Decimal(3), NOW, stackable=True
)
GIFT = Promotion(
    "G", "GIFT", PromotionType.FREE_GIFT, PromotionScope.CART, Decimal(0), NOW, get_product_id="p"
)
REQUEST = PricingRequest(currency("USD"), NOW, (Line("l1", "p", Decimal(50), 1, weight=Decimal(1)),))


def shipped(*rules: ShippingRule, **given: object) -> PricingRequest:
    """A cart that is shipped by some rules of one zone."""
    zone = ShippingZone("z", NOW, rules=rules)
    return replace(REQUEST, shipping_required=True, zones=(zone,), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "canonical"),
    (
        (" save10\t", "SAVE10"),
        ("\uff33\uff21\uff36\uff25\uff11\uff10", "SAVE10"),
        ("oﬀer", "OFFER"),
        ("10% off!", "10% OFF!"),
        ("straße", "STRASSE"),
    ),
)
def test_a_code_has_one_canonical_form(typed: str, canonical: str) -> None:
    """D4: NFKC, trimmed, upper case."""
    assert canonical_code(typed) == canonical


@pytest.mark.parametrize("typed", ("", " ", "SÄVE", "SAVE\u200b10", "SA\nVE", "\u0421AVE", "😀", "SAVE\x7f"))
def test_a_code_that_is_not_printable_ascii_is_refused_by_name(typed: str) -> None:
    """D4: a code that looks like another one is not accepted."""
    with pytest.raises(InputError) as refused:
        canonical_code(typed)
    assert refused.value.message == f"code: {typed!a} is not a promotion code: use printable ASCII characters"


def test_a_code_and_an_address_have_bounds() -> None:
    """What is cached and written is no longer than a person types."""
    assert canonical_code("a" * 100) == "A" * 100
    with pytest.raises(InputError, match="is not a promotion code"):
        canonical_code("a" * 101)
    with pytest.raises(InputError, match=r"shipTo\.state: must not have more than 500 characters"):
        Address("US", "x" * 501)


@settings(deadline=None, database=None)
@given(st.text(max_size=8))
def test_the_canonical_form_is_final(typed: str) -> None:
    """D4: the canonical form of a canonical form is itself."""
    try:
        canonical = canonical_code(typed)
    except InputError:
        return
    assert canonical_code(canonical) == canonical
    assert canonical.isascii()


def test_a_code_counts_once() -> None:
    """D4: of two promotions whose codes are one in the canonical form, the one that ranks higher counts."""
    twice = (
        OFF,
        replace(OFF, id="Q", code=" \uff53ave", priority=1, value=Decimal(4)),
        replace(OFF, id="R", code="SÄVE"),
    )
    result = price(replace(REQUEST, promotions=twice))
    assert result.discount_total == Decimal(4)
    assert [results.reason for results in result.promotions] == [
        Reason.DUPLICATE_CODE,
        None,
        Reason.INVALID_CODE,
    ]


def test_an_expired_promotion_does_not_take_the_place_of_its_code() -> None:
    """D4: only promotions that are eligible compete for a code."""
    twice = (replace(OFF, priority=9, is_active=False), replace(OFF, id="Q", code="save"))
    assert [result.reason for result in price(replace(REQUEST, promotions=twice)).promotions] == [
        Reason.INACTIVE,
        None,
    ]


@pytest.mark.parametrize(
    "rule",
    (
        ShippingRule("w", ShippingRuleType.WEIGHT_BASED, Decimal(1), per_weight_unit_rate=Decimal(2)),
        ShippingRule("light", ShippingRuleType.FLAT_RATE, Decimal(3), max_weight=Decimal(2)),
    ),
)
def test_the_weight_of_a_gift_never_raises_shipping(rule: ShippingRule) -> None:
    """D6: what is free costs nothing to ship, and does not make the cart too heavy for its rule."""
    heavy = ShippingRule("heavy", ShippingRuleType.FLAT_RATE, Decimal(9))
    request = shipped(rule, heavy)
    assert price(replace(request, promotions=(GIFT,))).shipping_total == Decimal(3)
    assert price(request).shipping_total == Decimal(3)


def test_the_weight_of_a_gift_may_lower_shipping() -> None:
    """D6: a gift's weight counts where a heavier parcel is cheaper."""
    bulk = ShippingRule("bulk", ShippingRuleType.FREE, Decimal(0), min_weight=Decimal(2))
    request = shipped(ShippingRule("flat", ShippingRuleType.FLAT_RATE, Decimal(3)), bulk)
    assert price(request).shipping_total == Decimal(3)
    assert price(replace(request, promotions=(GIFT,))).shipping_total == 0


FREE_FROM_50 = ShippingRule("r", ShippingRuleType.FLAT_RATE, Decimal(8), free_shipping_threshold=Decimal(50))


def test_a_code_that_loses_free_shipping_is_a_warning() -> None:
    """A coupon of 3.00 that costs shipping of 8.00 makes the cart 5.00 dearer, and the shopper is told."""
    result = price(shipped(FREE_FROM_50, promotions=(OFF,)))
    assert result.grand_total == Decimal(55)
    assert result.warnings == ("SAVE: the cart costs 5.00 USD more with this code than without it",)


def test_a_code_that_is_worth_its_shipping_is_none() -> None:
    """A coupon that saves more than the shipping it costs, or loses none, is no warning."""
    assert price(shipped(FREE_FROM_50, promotions=(replace(OFF, value=Decimal(20)),))).warnings == ()
    assert (
        price(
            shipped(FREE_FROM_50, promotions=(OFF,), lines=(replace(REQUEST.lines[0], quantity=2),))
        ).warnings
        == ()
    )


def test_a_code_that_leaves_no_way_to_ship_is_a_warning() -> None:
    """A coupon that makes the cart too cheap for the only rule says so."""
    rule = ShippingRule("r", ShippingRuleType.FLAT_RATE, Decimal(8), min_order_total=Decimal(50))
    result = price(shipped(rule, promotions=(OFF,)))
    assert result.shipping_status is ShippingStatus.UNAVAILABLE
    assert result.warnings == ("SAVE: the cart can be shipped only without this code",)


@settings(deadline=None, database=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 20), st.booleans())
def test_every_code_that_makes_a_cart_dearer_is_named(
    one: int, other: int, flat: int, stackable: bool
) -> None:
    """A warning names exactly the codes without which the cart would cost less."""
    rule = replace(FREE_FROM_50, base_rate=Decimal(flat))
    codes = (
        replace(OFF, value=Decimal(one)),
        replace(OFF, id="Q", code="Q", value=Decimal(other), stackable=stackable),
    )
    request = shipped(rule, lines=(replace(REQUEST.lines[0], quantity=2),), promotions=codes)
    total = price(request).grand_total
    dearer = {
        code.code
        for code in codes
        if price(replace(request, promotions=tuple(each for each in codes if each is not code))).grand_total
        < total
    }
    assert {warning.partition(":")[0] for warning in price(request).warnings} == dearer


@pytest.mark.parametrize(
    ("line", "message"),
    (
        (
            Line("l1", "p", Decimal("9999999999.99"), 2),
            "The cart costs more than 9999999999.99 USD, the maximum that a column can store.",
        ),
        (
            Line("l1", "p", Decimal(0), MOST_UNITS + 1),
            "lines: must not have more than 2147483647 units, but have 2147483648",
        ),
    ),
)
def test_what_no_column_holds_is_refused(line: Line, message: str) -> None:
    """Totals beyond NUMERIC(12,2) and counts beyond INTEGER are named errors."""
    with pytest.raises(OutOfRange) as refused:
        price(replace(REQUEST, lines=(line,)))
    assert refused.value.message == message


def test_a_gift_counts_towards_the_most_units() -> None:
    """The item count has the gift's units in it, and so has its bound."""
    lines = (Line("l1", "q", Decimal(0), MOST_UNITS),)
    assert price(replace(REQUEST, lines=lines)).item_count == MOST_UNITS
    with pytest.raises(OutOfRange):
        price(replace(REQUEST, lines=lines, promotions=(GIFT,)))


def test_known_stock_is_a_condition_of_conversion() -> None:
    """A cart with more units than stock has is priced with a warning, and blocked; unknown stock is enough."""
    short = price(replace(REQUEST, stock={"p": 0}))
    assert short.warnings == short.shortages == ("p: 1 units requested, 0 in stock",)
    assert short.shortages[0] in short.blocked
    assert price(replace(REQUEST, stock={"q": 0})).shortages == ()
