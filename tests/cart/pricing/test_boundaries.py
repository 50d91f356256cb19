"""Rules at their edges (D4, D5, D8): each case is one that a small slip in the code would decide differently."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cartctl.cart.enums import PromotionScope, PromotionType, ShippingRuleType, TaxType
from cartctl.cart.errors import InputError, OutOfRange
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.column_ranges import ColumnRange, refuse_inexact
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.places.postal_codes import postal_code
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult, ShippingStatus
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRate, TaxRounding

NOW = datetime(2026, 3, 1, tzinfo=UTC)
USD, JPY = currency("USD"), currency("JPY")
MUG = Line("l1", "mug", Decimal(50), 1, weight=Decimal(2), weight_unit="kg")
CALIFORNIA = Address("US", "CA", "Beverly Hills", "90210")
CODE = Promotion("P", "SAVE", PromotionType.PERCENTAGE_OFF, PromotionScope.CART, Decimal(10), NOW)
FIXED = replace(CODE, type=PromotionType.FIXED_AMOUNT_OFF)
DEAL = replace(
    CODE, type=PromotionType.BUY_X_GET_Y, scope=PromotionScope.PRODUCT, buy_quantity=1, get_quantity=1
)
GIFT = replace(CODE, type=PromotionType.FREE_GIFT, value=Decimal(0), get_product_id="pen")


def shipped(*zones: ShippingZone, **given: Any) -> PricingRequest:
    """A mug of 2 kg that is shipped to California."""
    known = {"shipping_required": True, "ship_to": CALIFORNIA, "zones": zones}
    return PricingRequest(**{"currency": USD, "now": NOW, "lines": (MUG,), **known, **given})


def rule(kind: ShippingRuleType, **given: Any) -> ShippingRule:
    """A rule of 1.00."""
    known = {"id": "r", "type": kind, "base_rate": Decimal(1), "weight_unit": "kg"}
    return ShippingRule(**{**known, **given})


FLAT, HEAVY = ShippingRuleType.FLAT_RATE, ShippingRuleType.WEIGHT_BASED


@pytest.mark.parametrize(
    ("kind", "unit", "low", "high", "carried"),
    (
        *(
            (FLAT, "stone", None, None, True),
            (FLAT, "stone", 0, None, False),
            (FLAT, "stone", None, 9, False),
        ),
        *((HEAVY, "stone", None, None, False), (HEAVY, "kg", None, None, True)),
        *((HEAVY, "kg", 2, None, True), (HEAVY, "kg", 3, None, False)),
        *((HEAVY, "kg", None, 2, False), (HEAVY, "kg", None, 3, True), (FLAT, "kg", 3, None, False)),
        *((FLAT, "kg", None, 2, False), (FLAT, "kg", 2, 3, True)),
    ),
)
def test_a_rule_carries_weights_within_its_bounds(
    kind: ShippingRuleType, unit: str, low: int | None, high: int | None, carried: bool
) -> None:
    """D8: min <= x < max; one of the bounds is enough; an unknown unit matters only where the weight does."""
    bounds = {name: None if value is None else Decimal(value) for name, value in (("min_weight", low), ("max_weight", high))}  # fmt: skip
    only = rule(kind, weight_unit=unit, **bounds)
    expected = ShippingStatus.RESOLVED if carried else ShippingStatus.UNAVAILABLE
    assert price(shipped(ShippingZone("z", NOW, rules=(only,)))).shipping_status is expected


def test_a_code_is_no_warning_where_nothing_can_be_shipped() -> None:
    """A discount on a cart that no zone matches, and on one that needs no shipping, is compared with no rule."""
    nowhere = ShippingZone("z", NOW, countries=("DE",), rules=(rule(FLAT),))
    for request in (shipped(nowhere), shipped(), shipped(nowhere, shipping_required=False)):
        result = price(replace(request, promotions=(CODE,)))
        assert (result.warnings, result.discount_total) == ((), Decimal("5.00"))


def test_a_code_that_loses_a_bounded_rule_is_a_warning() -> None:
    """A rule with every bound goes by cost as one with a single bound does."""
    bounds = {"free_shipping_threshold": 50, "min_order_total": 0, "max_order_total": 99}
    bounded = rule(FLAT, base_rate=Decimal(8), **{name: Decimal(bound) for name, bound in bounds.items()})
    result = price(shipped(ShippingZone("z", NOW, rules=(bounded,)), promotions=(CODE,)))
    assert result.warnings == ("SAVE: the cart costs 3.00 USD more with this code than without it",)


HALF, LAST = Decimal(50), rule(FLAT, id="last", base_rate=Decimal(9))


@pytest.mark.parametrize(
    ("first", "warned"),
    (
        (rule(FLAT, base_rate=Decimal(8), free_shipping_threshold=HALF), True),
        (rule(FLAT, base_rate=Decimal(0), min_order_total=HALF), True),
        (rule(FLAT, base_rate=Decimal(0), max_order_total=HALF), False),
    ),
)
def test_any_bound_makes_a_rule_go_by_cost(first: ShippingRule, warned: bool) -> None:
    """A code makes a cart dearer that loses free shipping or a cheap rule, and not one that wins a cheap rule."""
    zone = ShippingZone("z", NOW, rules=(first, LAST))
    assert bool(price(shipped(zone, promotions=(CODE,))).warnings) is warned


@pytest.mark.parametrize(
    ("promotion", "money", "reason"),
    (
        (replace(CODE, value=Decimal(-1)), USD, Reason.INVALID_TERMS),
        (replace(CODE, value=Decimal(0)), USD, Reason.NOTHING_TO_DISCOUNT),
        (replace(CODE, value=Decimal(100)), USD, None),
        (replace(CODE, value=Decimal("100.01")), USD, Reason.INVALID_TERMS),
        (replace(CODE, value=Decimal("7.5")), JPY, None),
        (replace(CODE, maximum_discount=Decimal("7.5")), JPY, Reason.INVALID_TERMS),
        (replace(CODE, maximum_discount=Decimal(-1)), USD, Reason.INVALID_TERMS),
        (replace(FIXED, value=Decimal("7.5")), JPY, Reason.INVALID_TERMS),
        (replace(FIXED, maximum_discount=Decimal("7.5")), JPY, Reason.INVALID_TERMS),
        (replace(FIXED, value=Decimal(101)), USD, None),
        (replace(DEAL, scope=PromotionScope.CART), USD, Reason.INVALID_TERMS),
        (replace(DEAL, buy_quantity=None), USD, Reason.INVALID_TERMS),
        (replace(DEAL, get_quantity=None), USD, Reason.INVALID_TERMS),
        (replace(DEAL, get_quantity=0), USD, Reason.INVALID_TERMS),
        (DEAL, USD, None),
        (GIFT, USD, None),
        (replace(GIFT, get_product_id=None), USD, Reason.INVALID_TERMS),
        (replace(CODE, get_product_id=None, buy_quantity=None), USD, None),
    ),
)
def test_terms_that_could_not_be_entered_are_refused(
    promotion: Promotion, money: Any, reason: Reason | None
) -> None:
    """D4: values, pairs and quantities have bounds; a percentage has no currency and keeps its decimals."""
    lines = (replace(MUG, quantity=2),)
    result = price(PricingRequest(money, NOW, lines, promotions=(promotion,)))
    assert [(each.applied, each.reason) for each in result.promotions] == [(reason is None, reason)]


ZONES = {
    "zip": ShippingZone("zip", NOW + timedelta(4), zip_codes=("902*",)),
    "state": ShippingZone("state", NOW + timedelta(3), states=("CA",)),
    "country": ShippingZone("country", NOW + timedelta(2), countries=("US",)),
    "fallback": ShippingZone("fallback", NOW),
}


@pytest.mark.parametrize("level", range(4))
def test_the_zone_that_matches_most_closely_is_chosen(level: int) -> None:
    """D8: zip > state > country > fallback, although the wider ones were created before."""
    left = [replace(zone, rules=(rule(FLAT),)) for zone in list(ZONES.values())[level:]]
    for zones in (left, left[::-1]):
        result = price(shipped(*zones))
        assert result.shipping is not None
        assert result.shipping.zone.id == list(ZONES)[level]


@pytest.mark.parametrize("patterns", (("*", None), ("9*", "*"), ("902*", "9*"), ("90210", "902*")))
def test_the_zone_with_the_longer_pattern_is_chosen(patterns: tuple[str, str | None]) -> None:
    """D8: a pattern that fixes nothing is closer than a state; of two patterns the longer one is, whenever created."""
    closer = ShippingZone("closer", NOW + timedelta(1), zip_codes=(patterns[0],), rules=(rule(FLAT),))
    wider = replace(closer, id="wider", created_at=NOW)
    wider = replace(wider, zip_codes=(patterns[1],)) if patterns[1] else replace(wider, zip_codes=(), states=("CA",))  # fmt: skip
    result = price(shipped(wider, closer))
    assert result.shipping is not None
    assert result.shipping.zone.id == "closer"


def taxed(*rates: TaxRate, **given: Any) -> PricingResult:
    """A cart of 100.00 in Beverly Hills."""
    lines = (Line("l1", "mug", Decimal(100), 1, category="food"),)
    return price(PricingRequest(**{"currency": USD, "now": NOW, "lines": lines, "ship_to": CALIFORNIA, "tax_rates": rates, **given}))  # fmt: skip


def rate(name: str, percent: int, **given: Any) -> TaxRate:
    """A sales tax in the US."""
    known = {"id": name, "country": "US", "tax_type": TaxType.SALES_TAX, "name": name}
    return TaxRate(**{**known, "rate": Decimal(percent) / 100, **given})


RATES = (
    rate("5", 1, zip_code="90210"),
    rate("4", 2, zip_code="902*"),
    rate("3", 3, city="beverly  hills"),
    rate("2", 4, state="CA"),
    rate("1", 5),
)


@pytest.mark.parametrize("level", range(5))
def test_the_rate_that_matches_most_closely_is_charged(level: int) -> None:
    """D8: zip, the longer pattern first, > city > state > country, although the wider ones have smaller ids."""
    for rates in (RATES[level:], RATES[level:][::-1]):
        assert taxed(*rates).tax_total == level + 1
    assert taxed(RATES[4], rate("0", 9)).tax_total == 9
    assert taxed(RATES[2], rate("9", 9, zip_code="*")).tax_total == 9  # a pattern that fixes nothing is one


def test_a_compound_rate_is_on_top_of_strictly_lower_priorities() -> None:
    """D8: rates of the same priority do not count, neither do they when the priority is the lowest."""
    below = (rate("a", 10), rate("b", 5, tax_type=TaxType.GST))
    above = rate("c", 10, tax_type=TaxType.PST, priority=1, is_compound=True)
    beside = rate("d", 20, tax_type=TaxType.VAT, priority=1, is_compound=True)
    assert taxed(*below, above, beside).tax_total == Decimal("15.00") + Decimal("11.50") + Decimal("23.00")
    lowest = replace(above, priority=0)
    assert taxed(*below, lowest).tax_total == Decimal("25.00")
    inclusive = taxed(*below, above, tax_mode=TaxMode.INCLUSIVE)
    assert (inclusive.tax_total, inclusive.grand_total) == (Decimal("20.95"), Decimal("100.00"))
    third = rate("e", 10, tax_type=TaxType.CONSUMPTION, priority=2, is_compound=True)
    assert taxed(*below, above, third).tax_total == Decimal("15.00") + Decimal("11.50") + Decimal("12.65")


@pytest.mark.parametrize(
    ("food", "toys", "off", "tax"),
    ((30, 10, 0, "1.75"), (30, 10, 100, "0.75"), (0, 0, 0, "0.50"), (0, 10, 0, "1.00"), (40, 0, 0, "5.00")),
)
@pytest.mark.parametrize("rounding", TaxRounding)
def test_shipping_is_taxed_by_the_share_of_the_lines(
    food: int, toys: int, off: int, tax: str, rounding: TaxRounding
) -> None:
    """D8: by what the lines still cost, by their bases where all are free, equally where those are 0 as well.

    Food is taxed with 10 %, toys are exempt, shipping costs 10.00.
    """
    expected = {"1.75": "3.75", "1.00": "0.00"}.get(tax, tax)  # with the tax on food
    lines = (Line("l1", "a", Decimal(food), 1, category="food"), Line("l2", "b", Decimal(toys), 1, category="toys"))  # fmt: skip
    zone = ShippingZone("z", NOW, rules=(rule(FLAT, base_rate=Decimal(10)),))
    result = price(
        shipped(
            zone,
            lines=lines,
            tax_shipping=True,
            tax_rounding=rounding,
            promotions=(replace(CODE, value=Decimal(off)),),
            tax_rates=(rate("t", 10, exempt_categories=frozenset({"toys"})),),
        )
    )
    assert result.tax_total == Decimal(expected)


@pytest.mark.parametrize(
    ("food", "toys", "off", "tax"), (("30", "10", "20", "1.50"), ("0.01", "0.03", "0", "0.25"))
)
def test_shipping_is_taxed_by_what_the_lines_still_cost(food: str, toys: str, off: str, tax: str) -> None:
    """D8: a discount on the food alone lowers its share; of the smallest amounts the share is exact as well."""
    lines = (Line("l1", "a", Decimal(food), 1, category="food"), Line("l2", "b", Decimal(toys), 1, category="toys"))  # fmt: skip
    code = replace(FIXED, scope=PromotionScope.PRODUCT, value=Decimal(off), product_ids=frozenset({"a"}))
    zone = ShippingZone("z", NOW, rules=(rule(FLAT, base_rate=Decimal(10)),))
    rates = (rate("t", 10, exempt_categories=frozenset({"toys"})),)
    result = price(shipped(zone, lines=lines, tax_shipping=True, promotions=(code,), tax_rates=rates))
    assert result.tax_total == Decimal(tax)


def test_of_equal_rates_the_smaller_id_is_charged() -> None:
    """D5: whatever their order, and also after a rate of another place."""
    elsewhere = rate("elsewhere", 9, state="NY")
    for names in (("a", "b"), ("b", "a")):
        rates = [rate(name, 5 if name == "a" else 7) for name in names]
        assert taxed(elsewhere, *rates).tax_total == 5


def test_a_limit_per_customer_requires_a_customer() -> None:
    """D4: a guest is asked to log in; a customer below the limit gets the discount, one who has used it up does not."""
    limited = replace(CODE, max_uses_per_customer=1)
    guest = price(shipped(shipping_required=False, promotions=(limited,)))
    assert [each.reason for each in guest.promotions] == [Reason.CODE_REQUIRES_LOGIN]
    known = shipped(shipping_required=False, promotions=(limited,), customer_id="c")
    assert price(known).discount_total == Decimal("5.00")
    assert price(replace(known, used={"P": 1})).discount_total == 0


@pytest.mark.parametrize(
    ("number", "reason"),
    (
        ("99999999.99", None),
        ("100000000", "beyond"),
        ("-100000000", "beyond"),
        ("0.001", "rounded to 2 decimals"),
        ("1.10", None),
        ("1.100", None),
    ),
)
def test_a_number_that_a_column_does_not_hold(number: str, reason: str | None) -> None:
    """NUMERIC(10,2): eight digits before the point, two after it."""
    fault = ColumnRange("carts", "grandTotal", 10, 2).fault(Decimal(number))
    assert (fault is None) if reason is None else (reason in str(fault))


def test_numbers_of_unknown_columns_are_not_judged() -> None:
    """A range for one column says nothing of the others."""
    request = shipped(shipping_required=False)
    priced = price(request)
    refuse_inexact((), request, priced)
    refuse_inexact((ColumnRange("promotions", "value", 1, 0),), request, priced)
    with pytest.raises(OutOfRange, match="unitPrice"):
        refuse_inexact((ColumnRange("cart_items", "unitPrice", 1, 0),), request, priced)


def test_a_rule_s_rate_that_its_column_would_round_is_named_by_zone_and_place() -> None:
    """The second rule of the first zone, by the path that it has in the document."""
    exact, finer = rule(FLAT), rule(FLAT, id="s", base_rate=Decimal("1.5"))
    request = shipped(ShippingZone("z", NOW, rules=(exact, finer)))
    with pytest.raises(OutOfRange, match=r"shippingZones\[0\].rules\[1\].baseRate"):
        refuse_inexact((ColumnRange("shipping_rules", "baseRate", 5, 0),), request, price(request))


@pytest.mark.parametrize("owner", ("company-a", "company-c"))
def test_a_promotion_of_any_other_company_is_refused(owner: str) -> None:
    """D4: the same company, whatever the order of their ids."""
    foreign = replace(CODE, company_id=owner)
    priced = price(shipped(shipping_required=False, company_id="company-b", promotions=(foreign,)))
    assert priced.promotions[0].reason is Reason.OTHER_COMPANY
    own = price(shipped(shipping_required=False, company_id=owner, promotions=(foreign,)))
    assert own.promotions[0].applied


@pytest.mark.parametrize(("stock", "given"), ((2, True), (1, False)))
def test_the_cart_s_own_units_are_served_before_a_gift(stock: int, given: bool) -> None:
    """D6: one pen is bought; the gift needs another."""
    pen = Line("l2", "pen", Decimal(2), 1)
    priced = price(
        shipped(shipping_required=False, lines=(MUG, pen), promotions=(GIFT,), stock={"pen": stock})
    )
    assert any(line.gift for line in priced.lines) is given


def test_fifty_rates_at_one_address_are_the_most() -> None:
    """The fractions of compound rates grow with each."""
    rates = tuple(rate(f"t{n:02}", 1, priority=n) for n in range(51))
    assert len(price(shipped(shipping_required=False, tax_rates=rates[:50])).taxes) == 50
    with pytest.raises(InputError, match="51 rates apply"):
        price(shipped(shipping_required=False, tax_rates=rates))


@pytest.mark.parametrize(
    ("country", "valid"),
    (("US", False), ("AO", None)),  # Angola has no postal codes
)
def test_a_code_longer_than_any_form(country: str, valid: bool | None) -> None:
    """It is invalid where the country's form is known, and unknown where there is none."""
    assert postal_code("9" * 30, country).valid is valid
