"""D6: buy-X-get-Y counts each unit once, gives the most that is allowed, and does not depend on the order of lines."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl.cart.enums import PromotionScope, PromotionType, TaxType
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.basket import Basket
from cartctl.cart.pricing.promotions.buy_x_get_y import units_of
from cartctl.cart.pricing.promotions.eligibility import eligible_lines
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason
from cartctl.cart.pricing.tax.rates import TaxRate

NOW = datetime(2026, 3, 1, tzinfo=UTC)
USD = currency("USD")
DEAL = Promotion(
    "d", "DEAL", PromotionType.BUY_X_GET_Y, PromotionScope.PRODUCT, Decimal(100), NOW,
    buy_quantity=1, get_quantity=1, stackable=True,
)  # fmt: skip
SETTINGS = settings(deadline=None, database=None)

LINES = st.lists(
    st.builds(
        Line,
        id=st.just(""),
        product_id=st.sampled_from(["p", "q"]),
        unit_price=st.sampled_from([Decimal("10.01"), Decimal(5), Decimal(20)]),
        quantity=st.integers(1, 5),
        category=st.sampled_from(["a", "b"]),
    ),
    min_size=1,
    max_size=5,
).map(lambda lines: [replace(line, id=f"l{n}") for n, line in enumerate(lines)])
DEALS = st.builds(
    replace,
    st.just(DEAL),
    value=st.sampled_from([Decimal(50), Decimal(100)]),
    buy_quantity=st.integers(1, 3),
    get_quantity=st.integers(1, 3),
    get_product_id=st.sampled_from([None, "p"]),
    category_ids=st.sampled_from([frozenset[str](), frozenset({"a"})]),
    maximum_discount=st.sampled_from([None, Decimal(0), Decimal("3.01"), Decimal("10.02")]),
)


def basket_of(lines: list[Line]) -> Basket:
    """The basket of some lines."""
    return Basket(USD, lines, [USD.minor(line.unit_price) for line in lines])


@SETTINGS
@given(LINES, DEALS)
def test_the_largest_number_of_units_is_got_and_each_counts_once(lines: list[Line], deal: Promotion) -> None:
    """No unit is bought and got, and with one more unit got there would be too few left to buy."""
    basket, eligible = basket_of(lines), eligible_lines(deal, lines)
    buy, get = deal.buy_quantity or 1, deal.get_quantity or 1
    got, units = units_of(deal, basket, eligible, {})
    number = sum(got.values())
    assert sum(units.values()) == number + buy * -(-number // get)
    assert all(units[n] <= lines[n].quantity for n in units)
    order = [n for n, line in enumerate(lines) if deal.get_product_id in {None, line.product_id}]
    order = [n for n in order if deal.get_product_id or n in eligible]
    order.sort(key=lambda n: (lines[n].unit_price, n in eligible, lines[n].id))
    flat = [n for n in order for _ in range(lines[n].quantity)]
    bought = sum(lines[n].quantity for n in eligible)
    allowed = [
        n
        for n in range(len(flat) + 1)
        if bought - sum(line in eligible for line in flat[:n]) >= buy * -(-n // get)
    ]
    assert number == max(allowed)


@SETTINGS
@given(LINES, st.lists(DEALS, max_size=3), st.randoms(use_true_random=False))
def test_the_order_of_lines_does_not_count(lines: list[Line], deals: list[Promotion], random: Random) -> None:
    """The same lines in another order cost the same, line by line, also where their prices are equal and their taxes differ."""
    promotions = tuple(replace(deal, id=f"d{n}", code=f"D{n}") for n, deal in enumerate(deals))
    rate = TaxRate("t", "US", TaxType.SALES_TAX, "T", Decimal("0.0725"), exempt_categories=frozenset({"a"}))
    request = PricingRequest(
        USD, NOW, tuple(lines), promotions=promotions, tax_rates=(rate,), ship_to=Address("US")
    )
    shuffled = list(lines)
    random.shuffle(shuffled)
    first, other = price(request), price(replace(request, lines=tuple(shuffled)))
    assert first.grand_total == other.grand_total
    assert {line.id: line for line in first.lines} == {line.id: line for line in other.lines}


@SETTINGS
@given(LINES, st.lists(DEALS, min_size=2, max_size=4))
def test_no_unit_counts_for_two_promotions(lines: list[Line], deals: list[Promotion]) -> None:
    """Promotions one after the other count no more units than there are."""
    basket = basket_of(lines)
    counted: dict[int, int] = {}
    for deal in deals:
        _, units = units_of(deal, basket, eligible_lines(deal, lines), counted)
        for n, count in units.items():
            counted[n] = counted.get(n, 0) + count
    assert all(count <= lines[n].quantity for n, count in counted.items())


def test_a_second_promotion_finds_no_units_left() -> None:
    """Two units make one free unit, not two, however many codes say so."""
    request = PricingRequest(USD, NOW, (Line("l1", "p", Decimal(10), 2),))
    request = replace(request, promotions=(DEAL, replace(DEAL, id="e", code="ELSE")))
    result = price(request)
    assert result.discount_total == Decimal(10)
    assert [results.reason for results in result.promotions] == [None, Reason.NOT_ENOUGH_UNITS]


def test_a_promotion_that_gives_nothing_leaves_its_units_to_the_next() -> None:
    """A deal of 0 %, or one whose largest discount is 0.00, takes no units away from a deal that gives something."""
    for worthless in (replace(DEAL, value=Decimal(0)), replace(DEAL, maximum_discount=Decimal(0))):
        request = PricingRequest(USD, NOW, (Line("l1", "p", Decimal(10), 2),))
        request = replace(request, promotions=(worthless, replace(DEAL, id="e", code="ELSE")))
        result = price(request)
        assert result.discount_total == Decimal(10)
        assert [results.applied for results in result.promotions] == [False, True]


def test_a_product_that_is_partly_bought_is_not_got_from_itself() -> None:
    """Where only some lines of the product that is got can be bought, those that cannot are got first."""
    lines = (
        Line("a", "p", Decimal(10), 1, category="sale"),
        Line("b", "p", Decimal(10), 1, category="other"),
    )
    deal = replace(DEAL, get_product_id="p", category_ids=frozenset({"sale"}))
    for order in (lines, lines[::-1]):
        result = price(PricingRequest(USD, NOW, order, promotions=(deal,)))
        assert {line.id: line.net for line in result.lines} == {"a": Decimal(10), "b": Decimal(0)}
    alone = price(PricingRequest(USD, NOW, lines[:1], promotions=(deal,)))
    assert alone.discount_total == 0
