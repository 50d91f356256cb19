"""Conversions beside writers of other applications, which lock nothing: nobody gets what was not paid for (D1)."""

import multiprocessing
import threading
from collections import Counter
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.cart.analytics import Period
from cartctl.cart.errors import CartChanged, CartError, TotalChanged
from cartctl.cart.lifecycle.payment import AgreedTotal, accepted_quote
from cartctl.cart.pricing.calculation import price
from cartctl.cart.service.service import CartService
from cartctl.cart.store.checkout.sold_lines import refuse_other_lines, replaceable, sold_lines
from cartctl.cart.store.checkout.stored_cart import load_stored
from cartctl.cart.store.checkout.unsold_lines import UnsoldLine
from cartctl.cart.store.conversion import convert
from cartctl.cart.store.round_trips import run
from cartctl.cart.store.sql_engine import connect, naive, over
from tests.cart.store.shop import HOUR, NOW, TERMS, Shop, wait_for_a_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue

AGREED = AgreedTotal(Decimal("22.00"), "USD")


@contextmanager
def foreign(shop: Shop, statement: str) -> "Iterator[None]":
    """Another application's statement, committed as soon as somebody waits for it; for the time of the block."""
    with shop.database.connect("foreign", autocommit=False) as connection:
        connection.execute(statement.encode())

        def finish() -> None:
            wait_for_a_lock(shop)
            connection.commit()

        commit = threading.Thread(target=finish)
        commit.start()
        yield
        commit.join()


def test_a_quantity_changed_just_before_is_not_sold_for_the_old_total(shop: Shop) -> None:
    """100 units are not sold for the price of one: the conversion waits for the other writer and states both totals."""
    cart = shop.cart(customerId="ada")
    with foreign(shop, "UPDATE cart_items SET quantity = 100"), pytest.raises(TotalChanged) as changed:
        shop.do(lambda c: convert(c, "shop", cart, "order", AGREED, NOW, TERMS))
    assert (changed.value.agreed, changed.value.total) == ("22.00 USD", "2200.00 USD")
    assert changed.value.message == f"Cart {cart} costs 2200.00 USD, not the accepted 22.00 USD."
    assert shop.statuses() == {cart: "ACTIVE"}


@pytest.mark.parametrize("change", ("UPDATE cart_items SET quantity = 100", "DELETE FROM cart_items"))
def test_a_change_that_waited_for_the_conversion_finds_no_line(shop: Shop, change: str) -> None:
    """A statement that another application began before the conversion was committed changes no sold line."""
    cart = shop.cart(customerId="ada")
    before = shop.one('SELECT "productSnapshot" FROM cart_items')
    writer = threading.Thread(target=lambda: shop.run(change))
    with shop.engine.begin() as connection:
        convert(connection, "shop", cart, "order", AGREED, NOW, TERMS)
        writer.start()
        wait_for_a_lock(shop)
    writer.join()
    assert shop.all('SELECT quantity, "lineTotal", "productSnapshot" FROM cart_items') == [(1, 20, before)]


ADD = """INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", quantity, "unitPrice", "originalPrice",
                                  "lineTotal", "updatedAt")
         SELECT 'added', id, 'mug', '{}', 3, 20, 20, 60, now() FROM carts"""
SINCE = Period(NOW - HOUR, NOW + HOUR)


@pytest.mark.parametrize("isolation", ("read committed", "repeatable read"))
def test_a_line_added_just_before_is_not_sold_for_the_old_total(shop: Shop, isolation: str) -> None:
    """The conversion waits for the other application's INSERT and states both totals, whatever the server's default is."""
    database = shop.one("SELECT quote_ident(current_database())")
    shop.run(f"ALTER DATABASE {database} SET default_transaction_isolation TO '{isolation}'")
    cart = shop.cart(customerId="ada")
    engine = connect(shop.database.dsn)
    service = CartService(engine, "shop", clock=lambda: NOW)
    with foreign(shop, ADD), pytest.raises(TotalChanged) as changed:
        service.convert(cart, "order", AGREED)
    engine.dispose()
    assert changed.value.total == "88.00 USD"
    assert shop.statuses() == {cart: "ACTIVE"}


def test_a_line_added_after_the_conversion_is_listed_as_unsold(shop: Shop) -> None:
    """An INSERT that waited for the conversion goes into the converted cart: what was sold is known apart from it."""
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId="mug", getQuantity=1)
    cart = shop.cart(customerId="ada")
    shop.apply("gift", cart, shown=0)
    service = CartService(shop.engine, "shop", clock=lambda: NOW)
    writer = threading.Thread(target=lambda: shop.run(ADD))
    with shop.engine.begin() as connection:
        convert(connection, "shop", cart, "order", AGREED, NOW, TERMS)
        writer.start()
        wait_for_a_lock(shop)
    writer.join()
    shop.run("UPDATE cart_items SET quantity = 2 WHERE id LIKE 'line-%'")
    shop.cart(
        id="foreign", status="CONVERTED", convertedAt=NOW, orderId="o2", metadata='{"sold": {"lines": 1}}'
    )
    [changed] = shop.all("SELECT id FROM cart_items WHERE id LIKE 'line-%' AND quantity = 2")
    assert service.unsold_lines(SINCE) == (
        UnsoldLine(cart, "order", "added", "mug", 3, 0),
        UnsoldLine(cart, "order", changed[0], "mug", 2, 1),
    )
    assert service.unsold_lines(Period(NOW - HOUR, NOW)) == ()
    assert CartService(shop.engine, "other").unsold_lines(SINCE) == ()
    seen = service.get_cart(cart)
    assert (seen.agreed, seen.cart.item_count, [(i.id, i.quantity) for i in seen.items]) == (
        AGREED,
        2,
        [(changed[0], 1)],
    )


def test_lines_that_other_tables_refer_to_are_updated(shop: Shop) -> None:
    """Rows of another application that refer to a line stay; what was sold is in the cart's metadata."""
    shop.run('CREATE TABLE notes (line TEXT REFERENCES cart_items ON DELETE CASCADE, "text" TEXT)')
    cart = shop.cart(customerId="ada")
    shop.run("INSERT INTO notes SELECT id, 'engraved' FROM cart_items")
    shop.do(lambda c: convert(c, "shop", cart, "order", AGREED, NOW, TERMS))
    assert shop.one("SELECT count(*) FROM notes") == 1
    assert shop.one("SELECT metadata #>> '{sold,lines,0,quantity}' FROM carts") == "1"
    assert shop.one('SELECT "lineTotal" FROM cart_items') == 20


def test_a_line_added_without_the_lock_is_detected(shop: Shop) -> None:
    """Without foreign keys nothing keeps a line from being added meanwhile: it is compared before the end."""
    shop.run('ALTER TABLE cart_items DROP CONSTRAINT "cart_items_cartId_fkey"')
    for replacing in (True, False):
        if not replacing:
            shop.run("CREATE TABLE notes (line TEXT REFERENCES cart_items)")
        cart = shop.cart(customerId="ada")
        with shop.engine.connect() as connection:
            stored = load_stored(connection, "shop", cart, also=(replaceable(),))
            assert stored.also == [[{"replaceable": replacing}]]
            request = stored.request(connection, naive(NOW), TERMS)
            quote = accepted_quote(request, price(request))
            shop.line(cart)
            [rows] = run(connection, *sold_lines(cart, quote, naive(NOW), replacing=replacing))
            with pytest.raises(CartChanged):
                refuse_other_lines(rows, cart, quote)
            connection.rollback()


def test_a_cart_with_a_line_added_without_the_lock_is_not_converted(shop: Shop) -> None:
    """A line that is committed between the price and the end of a conversion stops it: nobody has paid for it."""
    shop.run('ALTER TABLE cart_items DROP CONSTRAINT "cart_items_cartId_fkey"')
    shop.promotion("ten", maxUsesPerCustomer=1)
    cart = shop.cart(customerId="ada")
    shop.apply("ten", cart)
    agreed = shop.total(cart)
    counting = "LOCK TABLE promotion_usages"  # which a conversion reads after the lines, to price them
    with foreign(shop, f"{counting}; {ADD}"), pytest.raises(CartChanged, match="another application"):
        shop.do(lambda c: convert(c, "shop", cart, "order", agreed, NOW, TERMS))
    assert shop.statuses() == {cart: "ACTIVE"}


def test_terms_of_a_promotion_changed_meanwhile_are_detected(shop: Shop) -> None:
    """A promotion that another application changes during the conversion is not charged as it was before."""
    shop.promotion("ten")
    cart = shop.cart(customerId="ada")
    shop.apply("ten", cart)
    agreed = shop.total(cart)
    with (
        foreign(shop, "UPDATE promotions SET value = 1"),
        pytest.raises(CartChanged, match="TEN was changed"),
    ):
        shop.do(lambda c: convert(c, "shop", cart, "order", agreed, NOW, TERMS))
    assert shop.statuses() == {cart: "ACTIVE"}


def change_quantities(dsn: str, carts: list[str], start: Any, stop: Any) -> None:
    """Another application: it adds a unit to active carts, without a lock, until it is stopped. In its own process."""
    with Postgres(dsn).connect("foreign") as connection:
        start.wait()
        while not stop.is_set():
            for cart in carts:
                connection.execute(
                    """UPDATE cart_items SET quantity = quantity + 1 WHERE "cartId" = %s AND quantity < 3
                       AND EXISTS (SELECT FROM carts WHERE id = %s AND status = 'ACTIVE')""",
                    (cart, cart),
                )


def convert_all(dsn: str, carts: list[str], start: Any, seen: "Queue[Counter[str]]") -> None:
    """Convert each cart for the price of one unit, and count how it ended. In its own process."""
    postgres, ends = Postgres(dsn), Counter[str]()
    engine = over(lambda: postgres.connect("race", autocommit=False))
    with engine.connect() as connection:
        start.wait()
        for cart in carts:
            try:
                with connection.begin():
                    convert(connection, "shop", cart, f"order-{cart}", AGREED, NOW, TERMS)
                ends["converted"] += 1
            except CartError as error:
                ends[error.code] += 1
    seen.put(ends)


def test_no_cart_is_converted_with_quantities_that_nobody_paid_for(shop: Shop) -> None:
    """Two processes convert 150 carts beside two that change quantities: each converted cart has what it charged for."""
    carts = [shop.cart(customerId="ada") for _ in range(150)]
    spawn = multiprocessing.get_context("spawn")
    start, stop, seen = spawn.Barrier(5), spawn.Event(), spawn.Queue()
    dsn = shop.database.dsn
    work = [
        *(spawn.Process(target=convert_all, args=(dsn, carts[part::2], start, seen)) for part in range(2)),
        *(
            spawn.Process(target=change_quantities, args=(dsn, carts[part::2], start, stop))
            for part in range(2)
        ),
    ]
    for process in work:
        process.start()
    start.wait(timeout=120)
    ends = seen.get(timeout=120) + seen.get(timeout=120)
    stop.set()
    for process in work:
        process.join()
    assert set(ends) <= {"converted", "TOTAL_CHANGED"}
    assert ends.total() == 150
    sold = shop.all(
        """SELECT carts."grandTotal", carts.subtotal, sum(quantity * "unitPrice"), sum(quantity)
           FROM carts JOIN cart_items ON "cartId" = carts.id WHERE status = 'CONVERTED' GROUP BY carts.id"""
    )
    assert len(sold) == ends["converted"]
    assert set(sold) <= {(Decimal("22.00"), Decimal("20.00"), Decimal("20.00"), 1)}
