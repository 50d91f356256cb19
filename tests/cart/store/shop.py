"""A small shop for tests: two companies, customers, and carts in whatever state a test wants."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar

from cartctl.adapters.postgres import Postgres, sql
from cartctl.cart.errors import RuleBroken
from cartctl.cart.lifecycle.payment import AgreedTotal, accepted_quote
from cartctl.cart.pricing.calculation import price
from cartctl.cart.store.checkout.stored_cart import load_stored
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.sql_engine import Connection, Engine, naive, over

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

TERMS = PricingTerms()
NOTHING = AgreedTotal(Decimal(0), "USD")

T = TypeVar("T")

WORLD = """
INSERT INTO companies (id, name) VALUES ('shop', 'Shop'), ('other', 'Other');
INSERT INTO sites (id, "companyId", name, domain) VALUES ('site', 'shop', 'Site', 'shop.example');
INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
VALUES ('ada', 'shop', 'ada@shop.example', 'Ada', 'A'), ('ben', 'shop', 'ben@shop.example', 'Ben', 'B'),
       ('mute', 'shop', ' ', 'No', 'Mail'), ('eve', 'other', 'eve@other.example', 'Eve', 'E');
INSERT INTO products (id, "companyId", name, category, price, stock)
VALUES ('mug', 'shop', 'Mug', 'kitchen', 20, 5), ('eves', 'other', 'Eves', 'kitchen', 20, 5);
INSERT INTO tax_rates (id, "companyId", country, "taxType", name, rate, "updatedAt")
VALUES ('tax', 'shop', 'US', 'SALES_TAX', 'Sales tax', 0.10, now());
INSERT INTO shipping_zones (id, "companyId", name, priority, "updatedAt") VALUES ('zone', 'shop', 'Everywhere', -1, now());
INSERT INTO shipping_rules (id, "shippingZoneId", name, type, "baseRate", "updatedAt")
VALUES ('free', 'zone', 'Free', 'FREE', 0, now());
"""


class Shop:
    """A database with the shop in it, and the engine over it."""

    def __init__(self, database: Postgres) -> None:
        self.database = database
        self.engine: Engine = over(lambda: database.connect("tests", autocommit=False))
        self._numbers = count(1)
        self.run(WORLD)

    def run(self, statement: str) -> None:
        """One or more statements, as they are."""
        with self.database.session("tests") as connection:
            connection.execute(statement.encode())

    def insert(self, table: str, **columns: Any) -> None:
        """One row."""
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(columns))
        with self.database.session("tests") as connection:
            connection.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), names, marks),
                tuple(columns.values()),
            )

    def cart(self, **given: Any) -> str:
        """A cart of the shop with a mug in it, active a moment ago unless told otherwise; gives its id."""
        cart = str(given.pop("id", f"cart-{next(self._numbers):04}"))
        known = {
            "companyId": "shop",
            "itemCount": 1,
            "grandTotal": 20,
            "createdAt": NOW - 2 * HOUR,
            "updatedAt": NOW,
            "lastActivityAt": NOW,
            "shippingCountry": "US",
        }
        columns = {"id": cart, **known, **given}
        self.insert("carts", **{name: _told(value) for name, value in columns.items()})
        if columns["itemCount"]:
            self.line(cart)
        return cart

    def line(self, cart: str, **given: Any) -> None:
        """A mug in a cart."""
        price = given.pop("unitPrice", 20)
        self.insert(
            "cart_items",
            id=f"line-{next(self._numbers):04}",
            cartId=cart,
            productId="mug",
            productSnapshot='{"name": "Mug", "category": "kitchen"}',
            unitPrice=price,
            originalPrice=price,
            lineTotal=price,
            updatedAt=naive(NOW),
            **given,
        )

    def abandoned(self, hours: float, **given: Any) -> str:
        """A cart that was abandoned so many hours ago."""
        left = NOW - timedelta(hours=hours)
        known = {
            "status": "ABANDONED",
            "abandonedAt": left,
            "lastActivityAt": left - HOUR,
            "customerId": "ada",
        }
        return self.cart(**{**known, **given})

    def customers(self, count: int) -> list[str]:
        """More customers of the shop; gives their ids."""
        self.run(
            f"""INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
                SELECT 'c' || n, 'shop', n || '@shop.example', 'C', 'C' FROM generate_series(1, {count}) AS n"""
        )
        return [f"c{number}" for number in range(1, count + 1)]

    def promotion(self, name: str, **given: Any) -> None:
        """A promotion of the shop: 10 % off the cart unless told otherwise."""
        known = {
            "companyId": "shop",
            "code": name.upper(),
            "name": name,
            "type": "PERCENTAGE_OFF",
            "scope": "CART",
            "value": 10,
            "startsAt": naive(NOW - 24 * HOUR),
            "updatedAt": naive(NOW),
            "stackable": True,
        }
        self.insert("promotions", id=name, **{**known, **given})

    def apply(self, promotion: str, cart: str, shown: int = 2) -> None:
        """A promotion applied to a cart, which was shown with this discount."""
        self.insert(
            "cart_promotions",
            id=f"{promotion}-{cart}",
            cartId=cart,
            promotionId=promotion,
            discountAmount=shown,
        )

    def do(self, work: Callable[[Connection], T]) -> T:
        """Some work in a transaction of its own, committed unless it raises."""
        with self.engine.begin() as connection:
            return work(connection)

    def one(self, query: str) -> Any:
        """The first column of the first row."""
        return self.all(query)[0][0]

    def all(self, query: str) -> list[tuple[Any, ...]]:
        """Every row."""
        with self.database.session("tests") as connection:
            return connection.execute(query.encode()).fetchall()

    def total(self, cart: str, terms: PricingTerms = TERMS, company: str = "shop") -> AgreedTotal:
        """What a cart costs now, as a shopper would accept it; nothing for one that is not there."""

        def priced(connection: Connection) -> AgreedTotal:
            request = load_stored(connection, company, cart, locked=False).request(
                connection, naive(NOW), terms
            )
            return accepted_quote(request, price(request)).agreed

        try:
            return self.do(priced)
        except RuleBroken:
            return NOTHING

    def statuses(self) -> dict[str, str]:
        """Every cart's status."""
        return dict(self.all("SELECT id, status::text FROM carts"))


@contextmanager
def held(shop: Shop) -> Iterator[Connection]:
    """A transaction that is open while the block lasts, and is rolled back then."""
    with shop.engine.connect() as connection:
        yield connection
        connection.rollback()


def wait_for_a_lock(shop: Shop) -> None:
    """Return as soon as a session waits for another one's lock."""
    while not shop.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        time.sleep(0.01)


def _told(value: Any) -> Any:
    return naive(value) if isinstance(value, datetime) else value
