"""The calls that a shop makes most often take few round trips, and a statement that fails leaves nothing behind."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.service.lines import NewLine
from cartctl.cart.service.service import CartService
from cartctl.cart.store.round_trips import Statement, run
from cartctl.cart.store.sql_engine import connect
from tests.cart.store.shop import NOW, Shop

FEW = 5  # the connection's test, BEGIN, everything that is read, everything that is written, COMMIT


def round_trips(engine: Engine, path: Path, call: Callable[[], Any]) -> int:
    """How often the server said that it is ready for the next request, on an engine's only connection."""
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    with path.open("w+b") as trace:
        driver.pgconn.trace(trace.fileno())
        call()
        driver.pgconn.untrace()
        trace.seek(0)
        return trace.read().count(b"ReadyForQuery")


def test_adding_and_converting_take_few_round_trips(shop: Shop, tmp_path: Path) -> None:
    """Whatever a cart has: reading it, and writing every amount, is one round trip each."""
    shop.promotion("ten")
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId="mug")
    engine = connect(shop.database.dsn, pool_size=1)
    service = CartService(engine, "shop", clock=lambda: NOW)
    mug = NewLine("mug", Decimal(20))
    cart = service.open_cart("USD").id
    service.set_address(cart, Address("US", "CA"))
    service.apply_code(cart, "TEN")
    trace = tmp_path / "trace"
    assert round_trips(engine, trace, lambda: service.add_line(cart, mug, key="a")) == FEW
    assert round_trips(engine, trace, lambda: service.add_line(cart, mug, key="b")) == FEW
    agreed = AgreedTotal(Decimal("39.60"), "USD")
    assert round_trips(engine, trace, lambda: service.convert(cart, "order", agreed)) == FEW
    assert shop.one("SELECT count(*) FROM promotion_usages") == 1
    engine.dispose()


def test_a_statement_that_fails_is_the_drivers_error(shop: Shop) -> None:
    """The first error is raised, the statements after it have no effect, and the transaction is rolled back."""
    calls = [
        Statement(text("INSERT INTO companies (id, name) VALUES (:id, 'One') RETURNING id"))(id="one"),
        Statement(text("SELECT 1 / :zero AS none"))(zero=0),
        Statement(text("INSERT INTO companies (id, name) VALUES (:id, 'Two')"))(id="two"),
    ]
    with shop.engine.begin() as connection:
        assert run(connection, calls[0]) == [[{"id": "one"}]]
    with pytest.raises(Exception, match="division by zero"), shop.engine.begin() as connection:
        run(connection, *calls[1:], calls[2])
    assert shop.one("SELECT count(*) FROM companies WHERE id IN ('one', 'two')") == 1
