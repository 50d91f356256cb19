"""The data of a small platform: always the same, so that figures of two sandboxes can be compared."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cartctl.adapters.postgres import Connection, sql
from cartctl.sandbox.names import INTERNAL

BEGIN = datetime(2025, 11, 1)  # noqa: DTZ001 - the columns are without a zone, in UTC
DAYS = 90

_PLACES = ("Harbor", "Alder", "Juniper", "Granite", "Meadow", "Copper", "Willow", "Summit", "Tidal", "Ember")
_TRADES = ("Goods", "Outfitters", "Kitchen", "Cycles")
_FIRST = (
    "Ada",
    "Ben",
    "Clara",
    "Dev",
    "Elif",
    "Femi",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kaya",
    "Liam",
    "Mina",
    "Noor",
)
_LAST = (
    "Okafor",
    "Lindqvist",
    "Moreau",
    "Tanaka",
    "Silva",
    "Novak",
    "Haddad",
    "Olsen",
    "Keller",
    "Rossi",
    "Ivanova",
)
_THINGS = {
    "kitchen": ("Kettle", "Skillet", "Chef's knife", "Cutting board", "Pour-over set"),
    "outdoor": ("Day pack", "Rain jacket", "Headlamp", "Camp mug", "Wool socks"),
    "home": ("Floor lamp", "Linen throw", "Wall clock", "Side table", "Desk tray"),
    "cycling": ("Bell", "Saddle bag", "Chain oil", "Gloves", "Rear light"),
}
_FINISHES = ("", ", large", ", black", ", recycled")


@dataclass(frozen=True, slots=True)
class Company:
    """One company of the platform."""

    id: str
    name: str
    beta: bool


def companies() -> list[Company]:
    """Forty companies: the internal one and others, a quarter of them beta."""
    named = [INTERNAL, *((f"{p}-{t}".lower(), f"{p} {t}") for p in _PLACES for t in _TRADES)][:40]
    return [Company(key, name, beta=number % 4 == 0) for number, (key, name) in enumerate(named)]


def seed(connection: Connection) -> None:
    """Fill the platform's empty tables: 40 companies, 60 sites, 400 customers, 480 products, 600 orders."""
    chance = random.Random(20260101)  # noqa: S311 - the same data every time, nothing secret
    known = companies()
    _copy(
        connection,
        "companies",
        ("id", "name", "beta", "createdAt"),
        ((c.id, c.name, c.beta, BEGIN) for c in known),
    )
    _copy(connection, "sites", ("id", "companyId", "name", "domain"), _sites(known))
    _copy(
        connection,
        "customers",
        ("id", "companyId", "email", "firstName", "lastName"),
        _customers(known, chance),
    )
    _copy(
        connection,
        "products",
        ("id", "companyId", "name", "category", "price", "stock"),
        _products(known, chance),
    )
    columns = ("id", "companyId", "customerId", "status", "total", "createdAt", "processedAt")
    _copy(connection, "orders", columns, _orders(known, chance))


def _copy(
    connection: Connection, table: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for row in rows:
            copy.write_row(row)


def _sites(known: list[Company]) -> Iterator[tuple[Any, ...]]:
    for number, company in enumerate(known):
        yield f"{company.id}-shop", company.id, "Shop", f"shop.{company.id}.example"
        if number % 2 == 0:
            yield f"{company.id}-outlet", company.id, "Outlet", f"outlet.{company.id}.example"


def _customers(known: list[Company], chance: random.Random) -> Iterator[tuple[Any, ...]]:
    for company in known:
        for number in range(10):
            first, last = chance.choice(_FIRST), chance.choice(_LAST)
            email = f"{first}.{last}.{number}@{company.id}.example".lower()
            yield f"{company.id}-customer-{number:02}", company.id, email, first, last


def _products(known: list[Company], chance: random.Random) -> Iterator[tuple[Any, ...]]:
    offers = [
        (kind, thing + finish) for kind, things in _THINGS.items() for thing in things for finish in _FINISHES
    ]
    for company in known:
        for number, (kind, thing) in enumerate(chance.sample(offers, 12)):
            price = f"{chance.randrange(6, 240)}.{chance.choice(('00', '49', '90', '95'))}"
            yield (
                f"{company.id}-product-{number:02}",
                company.id,
                thing,
                kind,
                price,
                chance.randrange(0, 120),
            )


def _orders(known: list[Company], chance: random.Random) -> Iterator[tuple[Any, ...]]:
    for number in range(600):
        company = chance.choice(known)
        at = BEGIN + timedelta(minutes=chance.randrange(DAYS * 24 * 60))
        done = number % 30 != 0
        customer = f"{company.id}-customer-{chance.randrange(10):02}"
        total = f"{chance.randrange(12, 480)}.{chance.randrange(100):02}"
        processed = at + timedelta(minutes=2) if done else None
        yield (
            f"order-{number:04}",
            company.id,
            customer,
            "PROCESSED" if done else "PENDING",
            total,
            at,
            processed,
        )
