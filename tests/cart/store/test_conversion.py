"""Conversions: what they write, what they refuse without a trace, and limits that hold when many race for them."""

import multiprocessing
import threading
from collections import Counter
from decimal import Decimal

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.cart.errors import (
    CartNotActive,
    CodeRequiresLogin,
    ConversionBlocked,
    DiscountLost,
    InputError,
    LimitReached,
    NotFound,
    OrderConflict,
    OutOfRange,
    RuleBroken,
)
from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.store.conversion import Converted, cancel, convert
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.sql_engine import over
from tests.cart.store.shop import HOUR, NOW, TERMS, Shop, wait_for_a_lock


def buy(
    shop: Shop, cart: str, order: str = "order", *, agreed: str = "", terms: PricingTerms = TERMS
) -> Converted:
    """Convert a cart in a transaction of its own, for what it costs unless the shopper agreed to something else."""
    total = AgreedTotal(Decimal(agreed), "USD") if agreed else shop.total(cart, terms)
    return shop.do(lambda c: convert(c, "shop", cart, order, total, NOW, terms))


def world(shop: Shop) -> list[object]:
    """Everything that a conversion may change."""
    return [
        shop.all(f"SELECT * FROM {table} ORDER BY id")
        for table in ("carts", "promotions", "promotion_usages")
    ]


def test_a_conversion_prices_the_cart_and_writes_the_order(shop: Shop) -> None:
    """The cart has the order, the time and every amount of its price, and its promotion one use more (D3, D7)."""
    shop.promotion("ten")
    cart = shop.cart(customerId="ada")
    shop.apply("ten", cart)
    done = buy(shop, cart)
    assert (done.grand_total, [use.promotion_id for use in done.used]) == (Decimal("19.80"), ["ten"])
    [row] = shop.all(
        'SELECT status::text, "orderId", subtotal, "discountTotal", "taxTotal", "grandTotal" FROM carts'
    )
    assert row == ("CONVERTED", "order", *map(Decimal, ("20.00", "2.00", "1.80", "19.80")))
    assert shop.all('SELECT "discountAmount", "lineTotal" FROM cart_items') == [
        (Decimal("2.00"), Decimal("18.00"))
    ]
    assert shop.one('SELECT "currentUses" FROM promotions') == 1
    assert shop.all('SELECT "promotionId", "orderId", "customerId" FROM promotion_usages') == [
        ("ten", "order", "ada")
    ]


def test_converting_again_is_a_replay_and_with_another_order_a_conflict(shop: Shop) -> None:
    """D1: the same order gives the same result and uses nothing up; another order is refused."""
    shop.promotion("ten")
    cart = shop.cart(customerId="ada")
    shop.apply("ten", cart)
    first = buy(shop, cart)
    before = world(shop)
    again = buy(shop, cart)
    assert again.replayed
    assert (again.grand_total, again.used) == (first.grand_total, first.used)
    with pytest.raises(OrderConflict):
        buy(shop, cart, "another")
    assert world(shop) == before


@pytest.mark.parametrize(
    ("given", "why"),
    (
        ({"status": "EXPIRED"}, CartNotActive),
        ({"status": "MERGED"}, CartNotActive),
        ({"itemCount": 0}, ConversionBlocked),
        ({"expiresAt": NOW}, ConversionBlocked),
        ({"shippingCountry": None}, ConversionBlocked),
        ({"companyId": "other"}, NotFound),
    ),
)
def test_what_cannot_be_converted_is_refused_without_a_trace(
    shop: Shop, given: dict[str, object], why: type[RuleBroken]
) -> None:
    """Ended, empty, overdue and unaddressed carts, and those of another company, are refused; nothing is changed (D1, D8, D12)."""
    cart = shop.cart(**given)
    before = world(shop)
    with pytest.raises(why):
        buy(shop, cart)
    assert world(shop) == before


def test_an_unknown_cart_is_not_found(shop: Shop) -> None:
    """What is not there is answered like what is another company's (D12)."""
    with pytest.raises(NotFound):
        buy(shop, "nowhere")


def test_a_promotion_that_no_longer_holds_stops_the_conversion(shop: Shop) -> None:
    """D4: nobody pays another price than was shown; the cart must be calculated anew first."""
    shop.promotion("gone", expiresAt=(NOW - HOUR).replace(tzinfo=None))
    cart = shop.cart(customerId="ada")
    shop.apply("gone", cart)
    before = world(shop)
    with pytest.raises(DiscountLost) as lost:
        buy(shop, cart, agreed="19.80")
    assert lost.value.message == "GONE no longer applies (EXPIRED); without it, the total is 22.00 USD."
    assert (lost.value.promotion_code, lost.value.total) == ("GONE", "22.00 USD")
    assert world(shop) == before


@pytest.mark.parametrize(
    "terms",
    (
        {"expiresAt": (NOW - HOUR).replace(tzinfo=None)},
        {"maxUsesTotal": 0},
        {"maxUsesPerCustomer": 0},
        {"targeting": '{"productIds": ["other"]}'},
        {"value": 1, "priority": -1, "stackable": False},
        {"type": "FREE_GIFT", "value": 0, "getProductId": "mug"},
    ),
)
def test_a_code_without_effect_blocks_nothing(shop: Shop, terms: dict[str, object]) -> None:
    """D4: outranked, used up, for other products, a second gift: it gave nothing when shown, and stays with a discount of 0."""
    shop.promotion("ten")
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId="mug", priority=9)
    shop.promotion("idle", **terms)
    cart = shop.cart(customerId="ada")
    shop.apply("ten", cart)
    shop.apply("gift", cart, shown=0)
    shop.apply("idle", cart, shown=0)
    done = buy(shop, cart)
    assert (done.grand_total, [use.promotion_id for use in done.used]) == (Decimal("19.80"), ["gift", "ten"])
    shown = dict(shop.all('SELECT "promotionId", "discountAmount" FROM cart_promotions'))
    assert shown == {"ten": Decimal(2), "gift": Decimal(0), "idle": Decimal(0)}


def test_codes_that_are_one_count_once(shop: Shop) -> None:
    """D4: codes that differ for the database's unique index and not for a shopper give one discount."""
    shop.promotion("ten", code="TEN")
    shop.promotion("wide", code="\uff34\uff25\uff2e", value=5)
    cart = shop.cart(customerId="ada")
    shop.apply("ten", cart)
    shop.apply("wide", cart, shown=0)
    assert [use.promotion_id for use in buy(shop, cart).used] == ["ten"]


def test_a_rate_with_a_pattern_taxes_the_codes_it_matches(shop: Shop) -> None:
    """D8: tax rates take the patterns of zones; one that cannot be read leaves the tax unresolved."""
    rate = {
        "companyId": "shop", "country": "US", "taxType": "SALES_TAX", "name": "City", "rate": Decimal("0.05"), "priority": 1,
        "updatedAt": NOW.replace(tzinfo=None),
    }  # fmt: skip
    shop.insert("tax_rates", id="city", zipCode="90200...90299", **rate)
    totals = {
        code: buy(shop, shop.cart(customerId="ada", shippingPostalCode=code), code).grand_total
        for code in ("90210-1234", "90300")
    }
    assert totals == {"90210-1234": Decimal("23.00"), "90300": Decimal("22.00")}
    shop.insert("tax_rates", id="wrong", zipCode="902??", **{**rate, "priority": 2})
    with pytest.raises(ConversionBlocked, match="is not a postal code pattern: use a code such as"):
        buy(shop, shop.cart(customerId="ada", shippingPostalCode="90210"))


def test_a_discount_is_written_as_it_was_given(shop: Shop) -> None:
    """D4: what a code gave in the end is what the cart says of it."""
    shop.promotion("ten")
    cart = shop.cart(customerId="ada")
    shop.apply("ten", cart, shown=1)
    buy(shop, cart)
    assert shop.one('SELECT "discountAmount" FROM cart_promotions') == Decimal(2)


def test_a_limit_counts_accounts_of_one_e_mail_together(shop: Shop) -> None:
    """D7: a second account with the same address, in any case, is the same customer; another company's is not."""
    shop.run(
        """INSERT INTO customers (id, "companyId", email, "firstName", "lastName") VALUES
           ('ada2', 'shop', ' ADA@Shop.example ', 'A', 'A'), ('eve2', 'other', 'ada@shop.example', 'E', 'E')"""
    )
    shop.promotion("once", maxUsesPerCustomer=1)
    shop.insert(
        "promotion_usages", id="theirs", promotionId="once", customerId="eve2", orderId="o0", discountAmount=1
    )
    carts = [shop.cart(customerId=customer) for customer in ("ada", "ada2", "mute", "ben")]
    for cart in carts:
        shop.apply("once", cart)
    buy(shop, carts[0], "o1")
    before = world(shop)
    with pytest.raises(LimitReached, match=r"ONCE .* the total is 22.00 USD"):
        buy(shop, carts[1], "o2", agreed="19.80")
    assert world(shop) == before
    buy(shop, carts[2], "o3")
    buy(shop, carts[3], "o4")


def test_accounts_of_one_e_mail_at_once_keep_the_limit(shop: Shop) -> None:
    """D7: of two accounts that convert at once the second one waits for the first, and is refused."""
    shop.run(
        """INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
           VALUES ('ada2', 'shop', 'Ada@shop.example', 'A', 'A')"""
    )
    assert_one_waits(shop, "ada", "ada2")


def test_a_declined_gift_stays_declined(shop: Shop) -> None:
    """D6: what the shopper has declined is not added by the conversion, and not used up."""
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId="mug", getQuantity=2)
    for number, metadata in enumerate(('{"declinedGifts": ["gift"]}', '{"declinedGifts": "gift"}')):
        cart = shop.cart(customerId="ada", metadata=metadata)
        shop.apply("gift", cart, shown=0)
        assert buy(shop, cart, f"o{number}").used == ()
    cart = shop.cart(customerId="ada", metadata='["declinedGifts", "gift"]')
    shop.apply("gift", cart, shown=0)
    assert len(buy(shop, cart, "o2").used) == 1


def test_known_stock_is_a_condition(shop: Shop) -> None:
    """A cart with more units than there are is not converted; a product without known stock has enough."""
    cart = shop.cart(customerId="ada")
    before = world(shop)
    with pytest.raises(ConversionBlocked, match="mug: 1 units requested, 0 in stock"):
        buy(shop, cart, terms=PricingTerms(stock={"mug": 0}))
    assert world(shop) == before
    buy(shop, cart, terms=PricingTerms(stock={"mug": 1, "eves": 0}))


@pytest.mark.parametrize("company", ("shop", "other"))
def test_the_order_of_another_cart_is_a_named_conflict(shop: Shop, company: str) -> None:
    """An order id that another cart has, also of another company, is refused, and nothing is changed."""
    shop.cart(companyId=company, status="CONVERTED", orderId="taken")
    cart = shop.cart(customerId="ada")
    before = world(shop)
    with pytest.raises(OrderConflict, match="Order taken was created from another cart"):
        buy(shop, cart, "taken")
    assert world(shop) == before


def test_two_carts_racing_for_one_order_are_a_named_conflict(shop: Shop) -> None:
    """Where the other cart takes the order in between, the driver's error is the rule's as well."""
    carts = [shop.cart(customerId="ada") for _ in range(2)]
    refused: list[OrderConflict] = []

    def second() -> None:
        try:
            buy(shop, carts[1], "same")
        except OrderConflict as conflict:
            refused.append(conflict)

    other = threading.Thread(target=second)
    with shop.engine.begin() as connection:
        convert(connection, "shop", carts[0], "same", shop.total(carts[0]), NOW, TERMS)
        other.start()
        wait_for_a_lock(shop)
    other.join()
    assert [type(error.__cause__).__name__ for error in refused] == ["UniqueViolation"]
    assert shop.all('SELECT id FROM carts WHERE "orderId" IS NOT NULL') == [(carts[0],)]


@pytest.mark.parametrize("order", ("a\0b", "\ud800"))
def test_an_order_id_that_cannot_be_stored_is_refused_by_name(shop: Shop, order: str) -> None:
    """What PostgreSQL does not store as text is invalid input, not the driver's error."""
    cart = shop.cart(customerId="ada")
    with pytest.raises(InputError, match=r"orderId: .* contains a character that cannot be stored"):
        buy(shop, cart, order)


def test_a_total_that_no_column_holds_is_refused_by_name(shop: Shop) -> None:
    """Totals beyond NUMERIC(12,2), and counts beyond INTEGER, are named errors before anything is written."""
    dear, many = shop.cart(itemCount=0), shop.cart(itemCount=0)
    for _ in range(2):
        shop.line(dear, unitPrice=Decimal("9999999999.99"))
        shop.line(many, unitPrice=0, quantity=2**31 - 1)
    before = world(shop)
    with pytest.raises(OutOfRange, match="The cart costs more than"):
        buy(shop, dear)
    with pytest.raises(OutOfRange, match="must not have more than 2147483647 units"):
        buy(shop, many)
    assert world(shop) == before


def test_a_total_that_a_narrower_column_does_not_hold_is_refused_by_name(shop: Shop) -> None:
    """Another application's tables may have narrower numbers: that is a named error as well."""
    shop.run('ALTER TABLE carts ALTER "grandTotal" TYPE numeric(4,2)')
    cart = shop.cart(customerId="ada", itemCount=0, grandTotal=0)
    shop.line(cart, unitPrice=200)
    shop.run('UPDATE carts SET "itemCount" = 1')
    before = world(shop)
    with pytest.raises(OutOfRange, match="Order order has a number that is too large for its column"):
        buy(shop, cart)
    assert world(shop) == before


def test_a_state_that_the_tax_depends_on_is_a_condition(shop: Shop) -> None:
    """D8: a cart whose state is missing or unknown is not converted untaxed; in any usual spelling it is taxed."""
    shop.insert(
        "tax_rates", id="state", companyId="shop", country="USA", state="California", taxType="SALES_TAX",
        name="State", rate=Decimal("0.05"), priority=1, updatedAt=NOW.replace(tzinfo=None),
    )  # fmt: skip
    for state, why in ((None, "depends on the state"), ("Kalifornien", "is not a state of US")):
        cart = shop.cart(customerId="ada", shippingState=state)
        with pytest.raises(ConversionBlocked, match=why):
            buy(shop, cart)
    cart = shop.cart(customerId="ada", shippingCountry="U.S.A.", shippingState="us-ca")
    assert buy(shop, cart).grand_total == Decimal("23.00")


def test_a_limit_per_customer_holds_and_asks_guests_to_log_in(shop: Shop) -> None:
    """D7: a customer uses a promotion as often as allowed, another customer is not concerned, a guest is asked to log in."""
    shop.promotion("once", maxUsesPerCustomer=1)
    carts = [shop.cart(customerId=customer) for customer in ("ada", "ada", "ben", None)]
    for cart in carts:
        shop.apply("once", cart)
    buy(shop, carts[0], "o1")
    with pytest.raises(LimitReached):
        buy(shop, carts[1], "o2", agreed="19.80")
    buy(shop, carts[2], "o3")
    with pytest.raises(CodeRequiresLogin):
        buy(shop, carts[3], "o4", agreed="19.80")
    assert shop.one('SELECT "currentUses" FROM promotions') == 2


def test_a_customers_conversions_at_once_keep_the_limit(shop: Shop) -> None:
    """D7: of two conversions that a customer makes at once the second one waits for the first, and is refused."""
    assert_one_waits(shop, "ada", "ada")


def assert_one_waits(shop: Shop, *customers: str) -> None:
    """Two conversions at once use a promotion that a customer may use once: the second waits and is refused."""
    shop.promotion("once", maxUsesPerCustomer=1)
    carts = [shop.cart(customerId=customer) for customer in customers]
    for cart in carts:
        shop.apply("once", cart)
    refused: list[LimitReached] = []
    total = shop.total(carts[0])

    def second() -> None:
        try:
            buy(shop, carts[1], "o2")
        except LimitReached as limit:
            refused.append(limit)

    other = threading.Thread(target=second)
    with shop.engine.begin() as connection:
        convert(connection, "shop", carts[0], "o1", total, NOW, TERMS)
        other.start()
        wait_for_a_lock(shop)
    other.join()
    assert refused
    assert shop.all('SELECT "orderId" FROM promotion_usages') == [("o1",)]
    assert shop.one('SELECT "currentUses" FROM promotions') == 1


@pytest.mark.parametrize("ends", ("convert", "cancel"))
@pytest.mark.parametrize("applied", (("a", "B"), ("B", "a")))
def test_promotions_are_locked_in_one_order(shop: Shop, applied: tuple[str, str], ends: str) -> None:
    """Conversions and cancellations take promotions by id, whatever was applied first, so that none waits in a circle.

    With somebody holding the first one (B sorts before a), each waits there and has not taken the second one yet.
    """
    shop.promotion("a", value=5)
    shop.promotion("B", priority=3)
    cart = shop.cart(customerId="ada")
    for promotion in applied:
        shop.apply(promotion, cart)
    if ends == "cancel":
        buy(shop, cart)
    work = buy if ends == "convert" else lambda shop, _: shop.do(lambda c: cancel(c, "shop", "order", NOW))
    other = threading.Thread(target=work, args=(shop, cart))
    with shop.database.session("first", autocommit=False) as first:
        first.execute("SELECT FROM promotions WHERE id = 'B' FOR UPDATE")
        other.start()
        wait_for_a_lock(shop)
        with shop.database.session("second", autocommit=False) as second:
            second.execute("SELECT FROM promotions WHERE id = 'a' FOR UPDATE NOWAIT")
    other.join()
    assert shop.one('SELECT sum("currentUses") FROM promotions') == (2 if ends == "convert" else 0)


@pytest.mark.parametrize(
    ("product", "terms"),
    (("sold-out", TERMS), ("mug", PricingTerms(stock={"mug": 2})), ("mug", PricingTerms(stock={"mug": 1}))),
)
def test_a_gift_that_is_not_to_be_had_is_omitted(shop: Shop, product: str, terms: PricingTerms) -> None:
    """D6: out of stock, or no product any more, a gift is skipped: the cart is converted without it, and it is not used up."""
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId=product, getQuantity=2)
    cart = shop.cart()
    shop.apply("gift", cart)
    done = buy(shop, cart, terms=terms)
    assert (done.grand_total, done.used) == (Decimal("22.00"), ())
    assert shop.one("SELECT count(*) FROM cart_items") == 1
    assert shop.one('SELECT "currentUses" FROM promotions') == 0


def test_gifts_are_made_anew(shop: Shop) -> None:
    """D6: a conversion writes the gift that is due and removes one that is not; the shopper's own lines stay."""
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId="mug", getQuantity=2)
    carts = [shop.cart(customerId="ada") for _ in range(2)]
    shop.apply("gift", carts[0])
    shop.line(carts[1], giftPromotionId="gift")
    for number, cart in enumerate(carts):
        buy(shop, cart, f"o{number}")
    lines = (
        'SELECT "cartId", quantity, "unitPrice"::int, "giftPromotionId" FROM cart_items ORDER BY 1, 3 DESC'
    )
    assert shop.all(lines) == [(carts[0], 1, 20, None), (carts[0], 2, 0, "gift"), (carts[1], 1, 20, None)]
    assert dict(shop.all('SELECT id, "itemCount" FROM carts')) == {carts[0]: 3, carts[1]: 1}


def test_cancelling_gives_back_once(shop: Shop) -> None:
    """D7: a cancelled order's usages are deleted and subtracted once, however often it is cancelled; others' stay."""
    shop.promotion("ten", maxUsesTotal=2)
    shop.promotion("five", value=5)
    for number in range(2):
        cart = shop.cart(customerId="ada")
        shop.apply("ten", cart)
        shop.apply("five", cart)
        buy(shop, cart, f"o{number}")
    given = shop.do(lambda c: cancel(c, "shop", "o0", NOW))
    assert [use.promotion_id for use in given] == ["five", "ten"]
    assert shop.do(lambda c: cancel(c, "shop", "o0", NOW)) == ()
    assert dict(shop.all('SELECT id, "currentUses" FROM promotions')) == {"ten": 1, "five": 1}
    with pytest.raises(NotFound):
        shop.do(lambda c: cancel(c, "other", "o1", NOW))
    late = shop.cart(customerId="ada")
    shop.apply("ten", late)
    buy(shop, late, "o9")


def race(dsn: str, carts: list[str], seen: "multiprocessing.Queue[Counter[str]]") -> None:
    """Convert each cart and count how it ended; run in a process of its own."""
    postgres, ends = Postgres(dsn), Counter[str]()
    connection = postgres.connect("race", autocommit=False)
    engine = over(lambda: connection)
    with engine.connect() as kept:
        for cart in carts:
            try:
                with kept.begin():
                    convert(
                        kept, "shop", cart, f"order-{cart}", AgreedTotal(Decimal("18.81"), "USD"), NOW, TERMS
                    )
                ends["converted"] += 1
            except LimitReached:
                ends["limit"] += 1
    engine.dispose()
    seen.put(ends)


def test_conversions_racing_for_a_limit_give_exactly_the_limit(shop: Shop) -> None:
    """D7: 8 processes with 160 carts race for a promotion that may be used 20 times: 20 get it, 140 are refused whole."""
    shop.promotion("few", maxUsesTotal=20)
    shop.promotion("all", value=5)
    shop.run(MANY)
    queue: multiprocessing.Queue[Counter[str]] = multiprocessing.get_context("spawn").Queue()
    shares = [[f"race-{number}" for number in range(part, 160, 8)] for part in range(8)]
    processes = [
        multiprocessing.get_context("spawn").Process(target=race, args=(shop.database.dsn, share, queue))
        for share in shares
    ]
    for process in processes:
        process.start()
    ends = sum((queue.get(timeout=60) for _ in processes), Counter[str]())
    for process in processes:
        process.join()
        process.close()
    queue.close()
    assert ends == {"converted": 20, "limit": 140}
    assert dict(shop.all('SELECT id, "currentUses" FROM promotions')) == {"few": 20, "all": 20}
    assert shop.one("SELECT count(*) FROM promotion_usages") == 40
    assert shop.one("SELECT count(*) FROM carts WHERE status = 'CONVERTED'") == 20


MANY = f"""
INSERT INTO carts (id, "companyId", "customerId", "itemCount", "shippingCountry", "updatedAt", "lastActivityAt")
SELECT 'race-' || n, 'shop', 'ada', 1, 'US', '{NOW:%Y-%m-%d}', now() FROM generate_series(0, 159) AS n;
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", "unitPrice", "originalPrice", "lineTotal", "updatedAt")
SELECT 'l' || n, 'race-' || n, 'mug', '{{}}', 20, 20, 20, now() FROM generate_series(0, 159) AS n;
INSERT INTO cart_promotions (id, "cartId", "promotionId", "discountAmount")
SELECT p || n, 'race-' || n, p, 1 FROM generate_series(0, 159) AS n, unnest(ARRAY['few', 'all']) AS p;
"""
