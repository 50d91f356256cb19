"""Sorting carts by their total is bounded: it looks at those with the latest activity, which an index gives."""

from typing import Any

import pytest
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from cartctl.cart.store import repositories
from cartctl.cart.store.repositories import CartFilter, CartOrder, Carts, PageKey, listed
from tests.cart.store.shop import HOUR, NOW, Shop


@pytest.fixture(autouse=True)
def bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three carts are sorted."""
    monkeypatch.setattr(repositories, "HIGHEST_OF", 3)


def highest(shop: Shop, expected: CartFilter, after: PageKey | None = None, size: int = 9) -> list[Any]:
    """The ids of a page of carts, the highest total first."""
    with shop.engine.begin() as connection:
        rows = Carts(connection, "shop").page(expected, after, size=size, order=CartOrder.HIGHEST)
    return [row["id"] for row in rows]


def test_the_highest_are_those_of_the_latest(shop: Shop) -> None:
    """An older cart is not in the list, whatever it is worth; a filter is applied first, and pages end with the bound."""
    for number, total in enumerate((20, 50, 30, 10, 99)):
        shop.cart(
            id=f"c{number}",
            grandTotal=total,
            lastActivityAt=NOW - number * HOUR,
            currency="EUR" if number % 2 else "USD",
        )
    assert highest(shop, CartFilter()) == ["c1", "c2", "c0"]
    assert highest(shop, CartFilter(currency="USD")) == ["c4", "c2", "c0"]
    with shop.engine.begin() as connection:
        [first] = Carts(connection, "shop").page(CartFilter(), size=1, order=CartOrder.HIGHEST)
    key = PageKey(first["lastActivityAt"], first["id"], first["grandTotal"])
    assert highest(shop, CartFilter(), key) == ["c2", "c0"]


@pytest.mark.parametrize("expected", (CartFilter(), CartFilter(currency="USD")), ids=("all", "currency"))
def test_no_more_than_the_bound_is_sorted(shop: Shop, expected: CartFilter) -> None:
    """Of a company's many carts, the planner reads the latest in the order of an index, and sorts three."""
    shop.run(
        """INSERT INTO carts (id, "companyId", "grandTotal", "lastActivityAt", "updatedAt")
           SELECT 'n' || n, 'shop', n % 100, now() - n * interval '1 minute', now() FROM generate_series(1, 5000) AS n;
           ANALYZE carts"""
    )
    statement = listed("shop", expected, None, 25, CartOrder.HIGHEST)
    compiled = statement.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    with shop.database.session("tests") as connection:
        plan = connection.execute(f"EXPLAIN (COSTS OFF) {compiled}".encode(), compiled.params).fetchall()
    lines = [line.strip() for (line,) in plan]
    [inner] = [number for number, line in enumerate(lines) if line.endswith("->  Limit")]
    assert lines[inner + 1].startswith("->  Index"), lines
    assert not any("Seq Scan on carts" in line for line in lines), lines
