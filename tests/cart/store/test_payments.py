"""Payments: the accepted quote is what is charged, and the cart stays as it is while it is paid for (D1)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from cartctl.cart.errors import (
    CartChanged,
    ConversionBlocked,
    InputError,
    LimitReached,
    PaymentInFlight,
    TotalChanged,
)
from cartctl.cart.lifecycle.payment import AgreedTotal, Payment
from cartctl.cart.store import jobs
from cartctl.cart.store.checkout.payments import end_payment, start_payment
from cartctl.cart.store.conversion import Converted, convert
from cartctl.cart.store.loading import PricingTerms
from tests.cart.store.shop import HOUR, NOW, TERMS, Shop

MINUTE = timedelta(minutes=1)


def pay(shop: Shop, cart: str, payment: str = "p1", agreed: AgreedTotal | None = None) -> Payment:
    """Start a payment now, for what the cart costs unless the shopper agreed to something else."""
    total = agreed or shop.total(cart)
    return shop.do(lambda c: start_payment(c, "shop", cart, payment, total, NOW, TERMS))


def buy(shop: Shop, cart: str, agreed: AgreedTotal, *, after: timedelta = MINUTE) -> Converted:
    """Convert a cart some time after now."""
    return shop.do(lambda c: convert(c, "shop", cart, f"order-{cart}", agreed, NOW + after, TERMS))


def test_a_payment_stores_the_accepted_quote_and_is_charged(shop: Shop) -> None:
    """What changes after the payment began - a tax, a promotion's end, the cart's own time - does not change what is charged."""
    shop.promotion("ten", expiresAt=(NOW + MINUTE).replace(tzinfo=None))
    cart = shop.cart(customerId="ada", expiresAt=NOW + MINUTE)
    shop.apply("ten", cart)
    payment = pay(shop, cart)
    assert shop.one("SELECT metadata #>> '{payment,startedAt}' FROM carts") == "2026-03-04T12:00:00.000Z"
    assert shop.one("SELECT metadata #>> '{payment,quote,grandTotal}' FROM carts") == "19.80"
    shop.run("UPDATE tax_rates SET rate = 0.5")
    assert shop.do(lambda c: jobs.expire_carts(c, NOW + 2 * MINUTE)) == 0
    assert payment.quote is not None
    done = buy(shop, cart, payment.quote.agreed, after=2 * MINUTE)
    assert (done.grand_total, done.lines, len(done.used)) == (Decimal("19.80"), payment.quote.lines, 1)
    assert shop.all(
        "SELECT \"grandTotal\", metadata #>> '{sold,paymentId}', metadata ? 'payment' FROM carts"
    ) == [(Decimal("19.80"), "p1", False)]
    again = buy(shop, cart, payment.quote.agreed, after=3 * MINUTE)
    assert (again.replayed, again.lines, again.currency) == (True, done.lines, "USD")


def test_another_total_is_refused_with_both(shop: Shop) -> None:
    """Neither a payment nor a conversion takes a total or a currency that is not the cart's."""
    cart = shop.cart(customerId="ada")
    for agreed in (AgreedTotal(Decimal("21.99"), "USD"), AgreedTotal(Decimal(22), "EUR")):
        with pytest.raises(TotalChanged, match=rf"costs 22.00 USD, not the accepted {agreed}"):
            pay(shop, cart, agreed=agreed)
        with pytest.raises(TotalChanged):
            buy(shop, cart, agreed)
    pay(shop, cart)
    with pytest.raises(TotalChanged):
        buy(shop, cart, AgreedTotal(Decimal("21.99"), "USD"))


def test_one_payment_at_a_time(shop: Shop) -> None:
    """The same payment again is the running one; another is refused until the first has ended or timed out."""
    cart = shop.cart(customerId="ada")
    total, first = shop.total(cart), pay(shop, cart)
    assert pay(shop, cart) == first
    with pytest.raises(PaymentInFlight, match="until 2026-03-04 12:30:00 UTC"):
        pay(shop, cart, "p2")
    with pytest.raises(PaymentInFlight):
        pay(shop, cart, agreed=AgreedTotal(Decimal(1), "USD"))
    with pytest.raises(PaymentInFlight):
        shop.do(lambda c: end_payment(c, "shop", cart, "p2", NOW))
    assert shop.do(lambda c: end_payment(c, "shop", cart, "p1", NOW))
    assert not shop.do(lambda c: end_payment(c, "shop", cart, "p1", NOW))
    pay(shop, cart, "p2")
    late = NOW + HOUR
    third = shop.do(lambda c: start_payment(c, "shop", cart, "p3", total, late, TERMS, timeout=MINUTE))
    assert third.expires_at == (late + MINUTE).replace(tzinfo=None)
    with pytest.raises(InputError, match="timeout"):
        shop.do(lambda c: start_payment(c, "shop", cart, "p4", total, late + HOUR, TERMS, timeout=0 * HOUR))


def test_a_payment_that_timed_out_keeps_nothing_alive(shop: Shop) -> None:
    """After its time the cart expires, and what it costs now is what counts."""
    cart = shop.cart(customerId="ada", expiresAt=NOW + MINUTE)
    payment = pay(shop, cart)
    assert payment.quote is not None
    with pytest.raises(ConversionBlocked, match="it has expired"):
        buy(shop, cart, payment.quote.agreed, after=HOUR)
    assert shop.do(lambda c: jobs.expire_carts(c, NOW + 29 * MINUTE)) == 0
    assert shop.do(lambda c: jobs.expire_carts(c, NOW + 30 * MINUTE)) == 1


@pytest.mark.parametrize(
    "change",
    (
        "UPDATE cart_items SET quantity = 2",
        'UPDATE cart_items SET "unitPrice" = 1',
        "UPDATE cart_items SET \"variantId\" = 'xl'",
        "DELETE FROM cart_items",
        "UPDATE carts SET \"shippingState\" = 'NY'",
        "UPDATE carts SET metadata = metadata #- '{payment,quote,lines}'",
    ),
)
def test_a_cart_changed_by_others_while_it_is_paid_for_is_not_converted(shop: Shop, change: str) -> None:
    """What is paid for is compared with what is stored: lines, address, and the quote itself."""
    cart = shop.cart(customerId="ada")
    total = shop.total(cart)
    pay(shop, cart)
    shop.run(change)
    with pytest.raises(CartChanged):
        buy(shop, cart, total)
    assert shop.statuses() == {cart: "ACTIVE"}


def test_limits_and_stock_hold_for_a_cart_that_is_paid_for(shop: Shop) -> None:
    """D7: limits are used up at conversion alone; a payment reserves neither uses nor units."""
    shop.promotion("once", maxUsesTotal=1)
    carts = [shop.cart(customerId=customer) for customer in ("ada", "ben")]
    for cart in carts:
        shop.apply("once", cart)
    total = shop.total(carts[0])
    for cart in carts:
        pay(shop, cart)
    with pytest.raises(ConversionBlocked, match="mug: 1 units requested, 0 in stock"):
        shop.do(lambda c: convert(c, "shop", carts[0], "o", total, NOW, PricingTerms(stock={"mug": 0})))
    buy(shop, carts[0], total)
    with pytest.raises(LimitReached):
        buy(shop, carts[1], total)


@pytest.mark.parametrize(
    "metadata", ('"text"', "[1]", "null", '{"payment": 7}', '{"payment": {"expiresAt": "9999"}}')
)
def test_metadata_of_others_is_no_payment(shop: Shop, metadata: str) -> None:
    """What others write neither keeps a cart alive nor gets lost."""
    cart = shop.cart(customerId="ada", metadata=metadata, expiresAt=NOW + MINUTE)
    pay(shop, cart)
    shop.do(lambda c: end_payment(c, "shop", cart, "p1", NOW))
    kept = shop.one("SELECT metadata FROM carts")
    assert kept in ({}, {"previous": "text"}, {"previous": [1]}, {"previous": None})
    assert shop.do(lambda c: jobs.expire_carts(c, NOW + HOUR)) == 1


def test_shipping_is_required_unless_nothing_is_shipped(shop: Shop) -> None:
    """D8: by default a cart needs a way to be shipped; one whose products are not shipped, or terms that say so, do not."""
    shop.run("DELETE FROM shipping_rules")
    cart = shop.cart(customerId="ada")
    with pytest.raises(ConversionBlocked, match="no shipping to this address"):
        buy(shop, cart, shop.total(cart))
    shop.run("""UPDATE cart_items SET "productSnapshot" = '{"requiresShipping": false}'""")
    shop.line(cart)
    with pytest.raises(ConversionBlocked, match="no shipping to this address"):
        buy(shop, cart, shop.total(cart))
    shop.run("""UPDATE cart_items SET "productSnapshot" = '{"requiresShipping": false}'""")
    assert buy(shop, cart, shop.total(cart)).grand_total == Decimal("44.00")
