"""D2: rounding, splitting, currencies; and what holds for every cart there is."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartctl.cart.enums import PromotionScope, PromotionType, ShippingRuleType, TaxType
from cartctl.cart.errors import InputError
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import Currency, allocate, currency, q
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult
from cartctl.cart.pricing.promotions.promotion import VALID_PAIRS, Promotion
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRate, TaxRounding

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATIENT = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
PAIRS = [(kind, scope) for kind, scopes in VALID_PAIRS.items() for scope in sorted(scopes)]


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    ((0, 7, 0), (1, 2, 1), (49, 100, 0), (5, 10, 1), (3, 2, 2), (5, 2, 3), (149, 100, 1), (7, 1, 7)),
)
def test_q_rounds_half_up(numerator: int, denominator: int, rounded: int) -> None:
    """D2: half a unit and more is rounded up, never to even."""
    assert q(numerator, denominator) == rounded


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    (
        (100, [1, 1, 1], [34, 33, 33]),
        (1100, [1500, 1500, 1500, 100], [359, 359, 358, 24]),
        (2, [1, 0, 1, 1], [1, 0, 1, 0]),
        (5, [3, 1], [4, 1]),
        (0, [0, 0], [0, 0]),
        (0, [], []),
        (10**30 + 1, [10**30, 1], [10**30, 1]),
    ),
)
def test_shares_are_exact_and_ties_go_to_the_earlier(
    total: int, weights: list[int], shares: list[int]
) -> None:
    """D2: shares are floored, and what is left goes to the largest remainders."""
    assert allocate(total, weights) == shares


def test_nothing_is_split_by_nothing() -> None:
    """D2: an amount without a weight to split it by is an error, not a loss."""
    with pytest.raises(ValueError, match="cannot be split"):
        allocate(1, [0, 0])


@PATIENT
@given(st.integers(0, 10**13), st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_shares_add_up(total: int, weights: list[int]) -> None:
    """D2: shares add up, are never negative, and are within one unit of exact."""
    weights[0] += 1
    shares = allocate(total, weights)
    assert sum(shares) == total
    assert min(shares) >= 0
    assert all(
        abs(share * sum(weights) - total * weight) < sum(weights)
        for share, weight in zip(shares, weights, strict=True)
    )


@pytest.mark.parametrize(("code", "decimals"), (("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0)))
def test_currencies_have_their_decimals(code: str, decimals: int) -> None:
    """D2: amounts are shown with the currency's decimals, and come back as they went."""
    money = currency(code)
    assert money.amount(1234).as_tuple().exponent == -decimals
    assert money.minor(money.amount(1234)) == 1234


@pytest.mark.parametrize("code", ("BHD", "KWD", "CLF", "XYZ", "usd", ""))
def test_other_currencies_are_refused(code: str) -> None:
    """D2: three and more decimals, and what is no currency, are refused."""
    with pytest.raises(InputError):
        currency(code)


def test_amounts_finer_than_the_currency_are_refused() -> None:
    """D2: nothing is rounded on the way in, however long the number."""
    assert (
        Currency("USD", 2).minor(Decimal("12345678901234567890123456789012.34"))
        == 1234567890123456789012345678901234
    )
    with pytest.raises(ValueError, match="more decimals"):
        Currency("USD", 2).minor(Decimal("12345678901234567890123456789012.345"))


CENTS = st.integers(0, 30_000).map(lambda units: Decimal(units).scaleb(-2))
CATEGORIES = st.sampled_from(["food", "toys", None])


@st.composite
def promotions(draw: st.DrawFn) -> list[Promotion]:
    """Up to five promotions of any valid pair."""
    results = []
    for number in range(draw(st.integers(0, 5))):
        kind, scope = draw(st.sampled_from(PAIRS))
        percent = kind in {PromotionType.PERCENTAGE_OFF, PromotionType.BUY_X_GET_Y}
        results.append(
            Promotion(
                id=f"P{number}",
                code=f"C{number}",
                type=kind,
                scope=scope,
                value=draw(st.integers(0, 100).map(Decimal) if percent else CENTS),
                created_at=NOW,
                maximum_discount=draw(st.none() | CENTS),
                minimum_order_amount=draw(st.none() | CENTS),
                buy_quantity=draw(st.integers(1, 4)),
                get_quantity=draw(st.integers(1, 4)),
                get_product_id=draw(st.sampled_from(["p0", "p1", None]))
                if kind is not PromotionType.FREE_GIFT
                else "p0",
                priority=draw(st.integers(0, 2)),
                stackable=draw(st.booleans()),
                category_ids=draw(st.sampled_from([frozenset(), frozenset({"food"})])),
            )
        )
    return results


@st.composite
def requests(draw: st.DrawFn) -> PricingRequest:
    """Any cart, in any mode, with any promotions, taxes and a way to ship."""
    lines = [
        Line(
            f"l{n}",
            draw(st.sampled_from(["p0", "p1", "p2"])),
            draw(CENTS),
            draw(st.integers(1, 9)),
            None,
            draw(CATEGORIES),
        )
        for n in range(draw(st.integers(1, 8)))
    ]
    rates = [
        TaxRate(
            f"t{n}", "US", draw(st.sampled_from(TaxType)), f"T{n}", Decimal(draw(st.integers(0, 10**6))).scaleb(-6),
            is_compound=draw(st.booleans()), priority=n, exempt_categories=draw(st.sampled_from([frozenset(), frozenset({"food"})])),
        )
        for n in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    rule = ShippingRule("r", draw(st.sampled_from(ShippingRuleType)), draw(CENTS), per_item_rate=draw(CENTS))
    return PricingRequest(
        currency=Currency("USD", 2),
        now=NOW,
        lines=tuple(lines),
        tax_mode=draw(st.sampled_from(TaxMode)),
        tax_rounding=draw(st.sampled_from(TaxRounding)),
        tax_shipping=draw(st.booleans()),
        shipping_required=draw(st.booleans()),
        ship_to=Address("US"),
        promotions=tuple(draw(promotions())),
        tax_rates=tuple(rates),
        zones=(ShippingZone("z", NOW, rules=(rule,)),),
    )


def amounts(priced: PricingResult) -> list[Decimal]:
    """Every amount of a priced cart."""
    lines = [amount for line in priced.lines for amount in (line.base, line.discount, line.net, line.tax)]
    totals = [
        priced.subtotal,
        priced.discount_total,
        priced.shipping_total,
        priced.tax_total,
        priced.grand_total,
    ]
    taken = [result.amount for result in priced.promotions]
    return lines + totals + taken + [result.amount for result in priced.taxes]


@PATIENT
@given(requests())
def test_totals_add_up_and_are_never_negative(request: PricingRequest) -> None:
    """D3: the totals are the sums of their parts, nothing is below zero, and all has whole cents."""
    priced = price(request)
    assert min(amounts(priced)) >= 0
    assert all(amount.as_tuple().exponent == -2 for amount in amounts(priced))
    assert priced.subtotal == sum(line.base for line in priced.lines)
    assert priced.discount_total == sum(line.discount for line in priced.lines)
    assert all(line.net == line.base - line.discount for line in priced.lines)
    assert priced.tax_total == sum(result.amount for result in priced.taxes)
    net = priced.subtotal - priced.discount_total + priced.shipping_total
    on_top = priced.tax_total if request.tax_mode is TaxMode.EXCLUSIVE else 0
    assert priced.grand_total == net + on_top
    shipped = priced.shipping.discount if priced.shipping else Decimal(0)
    assert priced.discount_total + shipped == sum(result.amount for result in priced.promotions)
    assert all(result.applied is (result.reason is None) for result in priced.promotions)
    if not request.tax_shipping:
        assert priced.tax_total == sum(line.tax for line in priced.lines)


@PATIENT
@given(requests())
def test_recalculating_changes_nothing(request: PricingRequest) -> None:
    """D3: the same cart costs the same, also with the promotions, rates and zones in another order."""
    other = replace(
        request,
        promotions=request.promotions[::-1],
        tax_rates=request.tax_rates[::-1],
        zones=request.zones[::-1],
    )
    first, again = price(request), price(other)
    assert price(request) == first
    assert (first.lines, first.grand_total, first.taxes) == (again.lines, again.grand_total, again.taxes)
    assert {result.id: result for result in first.promotions} == {
        result.id: result for result in again.promotions
    }


@PATIENT
@given(requests(), st.randoms(use_true_random=False))
def test_another_order_of_lines_changes_only_ties(request: PricingRequest, random: Random) -> None:
    """D2: where lines are permuted, what is split by weight may move by ties; discounts on the cart stay what they are."""
    request = replace(
        request,
        promotions=tuple(result for result in request.promotions if result.scope is PromotionScope.CART),
        tax_rates=(),
    )
    lines = list(request.lines)
    random.shuffle(lines)
    first, other = price(request), price(replace(request, lines=tuple(lines)))
    assert (first.subtotal, first.discount_total, first.shipping_total) == (
        other.subtotal,
        other.discount_total,
        other.shipping_total,
    )
    moved = {line.id: line.net for line in other.lines}
    stacked = sum(result.applied for result in first.promotions)
    cent = Decimal("0.01")
    assert all(abs(line.net - moved[line.id]) <= cent * stacked for line in first.lines)
