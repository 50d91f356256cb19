"""The figures that SQL counts are those that the domain's rules give, and each is counted from its index alone."""

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from cartctl.cart.analytics import Period, by_site_type, overview
from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.store import cart_statistics
from cartctl.cart.store.conversion import cancel, convert
from cartctl.cart.store.sql_engine import naive
from tests.cart.store.shop import HOUR, NOW, TERMS, Shop
from tests.cart.store.stored_cart import load_cart

DAY = 24 * HOUR
PERIOD = Period(NOW - 10 * DAY, NOW)
LIMITS = Path(__file__).parents[3] / "docs/limits.md"


def fill(shop: Shop) -> None:
    """Carts of every kind, on both sides of the period's ends."""
    chance = random.Random(5)
    for number in range(120):
        status = chance.choice(list(CartStatus))
        created = NOW - chance.choice((0, 1, 9, 10, 10.0001, 12)) * DAY
        left = created + HOUR if status is CartStatus.ABANDONED or chance.random() < 0.4 else None
        bought = created + chance.choice((0.5, 30, 200)) * HOUR if status is CartStatus.CONVERTED else None
        mailed = left + HOUR if left and chance.random() < 0.7 else None
        shop.cart(
            companyId=chance.choice(("shop", "shop", "shop", "other")),
            status=status.value,
            siteType=chance.choice(list(SiteType)).value,
            currency=chance.choice(("USD", "USD", "EUR")),
            itemCount=chance.choice((0, 1, 1)),
            grandTotal=Decimal(chance.randrange(100_000)) / 100,
            createdAt=created,
            abandonedAt=left,
            convertedAt=bought,
            orderId=f"o{number}" if bought else None,
            recoveryEmailSent=mailed is not None,
            recoveryEmailSentAt=mailed,
            metadata='{"cancelledAt": "2026-03-04T12:00:00.000Z"}' if chance.random() < 0.2 else "{}",
        )


def carts(shop: Shop) -> list[Cart]:
    """Every cart as the rules see it."""
    ids = shop.all('SELECT "companyId", id FROM carts')
    result = shop.do(lambda connection: [load_cart(connection, *cart) for cart in ids])
    return [cart for cart in result if cart is not None]


def test_sql_counts_what_the_rules_count(shop: Shop) -> None:
    """D11: the overview of every currency and type of site equals the domain's own over the same carts."""
    fill(shop)
    known = carts(shop)
    bare = Period(naive(PERIOD.begin), naive(PERIOD.end))
    rows = shop.do(lambda connection: cart_statistics.overviews(connection, "shop", PERIOD))
    messages = {(row.currency, row.site_type): row.overview for row in rows}
    for code in ("USD", "EUR"):
        assert messages[code, None] == overview(known, "shop", code, bare)
        for kind, expected in by_site_type(known, "shop", code, bare).items():
            if expected.carts or expected.orders:
                assert messages.pop((code, kind)) == expected
    assert messages.keys() == {("USD", None), ("EUR", None)}


def test_stats_count_every_cart_of_the_company(shop: Shop) -> None:
    """Counts by status are exact, and no other company's; merged, expired and cancelled ones are in no sum of a currency."""
    fill(shop)
    own = [cart for cart in carts(shop) if cart.company_id == "shop"]
    result = shop.do(lambda connection: cart_statistics.stats(connection, "shop"))
    assert {status: count for status, count in result.counts.items() if count} == Counter(
        c.status for c in own
    )
    assert result.total == len(own)
    lost = {CartStatus.MERGED, CartStatus.EXPIRED}
    worth: Counter[str] = Counter()
    for cart in own:
        cancelled = cart.status is CartStatus.CONVERTED and cart.cancelled_at is not None
        worth[cart.currency] += 0 if cart.status in lost or cancelled else int(cart.grand_total * 100)
    assert {code: int(value * 100) for code, value in result.values.items()} == worth


def test_a_cancelled_order_counts_nowhere(shop: Shop) -> None:
    """D11: neither in orders, nor in the average, nor in conversion and recovery."""
    made = {"createdAt": NOW - DAY, "abandonedAt": NOW - 20 * HOUR, "customerId": "ada"}
    totals = [shop.cart(**made), shop.cart(**made)]
    for number, cart in enumerate(totals):
        total = shop.total(cart)
        shop.do(lambda c, n=number, k=cart, t=total: convert(c, "shop", k, f"o{n}", t, NOW, TERMS))  # type: ignore[misc]
    period = Period(NOW - DAY, NOW + DAY)
    before = shop.do(lambda c: cart_statistics.overviews(c, "shop", period))[0].overview
    assert (before.carts, before.converted, before.orders, before.aov) == (2, 2, 2, Decimal("22.00"))
    shop.do(lambda c: cancel(c, "shop", "o0", NOW))
    shop.do(lambda c: cancel(c, "shop", "o0", NOW + DAY))
    assert shop.all("SELECT metadata ->> 'cancelledAt' FROM carts ORDER BY id") == [
        ("2026-03-04T12:00:00.000Z",),
        (None,),
    ]
    after = shop.do(lambda c: cart_statistics.overviews(c, "shop", period))[0].overview
    assert (after.carts, after.converted, after.orders, after.aov) == (1, 1, 1, Decimal("22.00"))
    assert after.recovery == Decimal("1.0000")
    assert shop.do(lambda c: cart_statistics.stats(c, "shop")).values == {"USD": Decimal("22.00")}


OTHERS = """SELECT indexrelid::regclass::text FROM pg_index
WHERE indrelid = 'carts'::regclass AND NOT indisprimary AND indnatts = indnkeyatts"""


@pytest.mark.parametrize(
    "statement",
    (
        cart_statistics.counted("shop"),
        cart_statistics.cohort("shop", PERIOD),
        cart_statistics.converted_within("shop", PERIOD),
    ),
)
def test_figures_come_from_an_index_alone(shop: Shop, statement: Any) -> None:
    """No figure needs the table: every column it looks at is in a covering index."""
    shop.run(f"""INSERT INTO carts (id, "companyId", "createdAt", "convertedAt", "updatedAt")
        SELECT 'n' || n, CASE WHEN n % 10 = 0 THEN 'shop' ELSE 'other' END, '{naive(NOW)}'::timestamp - n * interval '1 hour',
               '{naive(NOW)}'::timestamp - n * interval '1 hour', now() FROM generate_series(1, 3000) AS n""")
    for (other,) in shop.all(OTHERS):  # among so few carts a smaller index is as good
        shop.run(f"DROP INDEX {other}")
    shop.run("VACUUM ANALYZE carts")
    compiled = statement.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    with shop.database.session("tests") as connection:
        for other in ("seqscan", "bitmapscan"):  # of so few carts anything is quick
            connection.execute(f"SET enable_{other} = off".encode())
        rows = connection.execute(f"EXPLAIN {compiled}".encode(), compiled.params).fetchall()
    assert any("Index Only Scan" in row[0] for row in rows), rows


@pytest.mark.parametrize(
    "statement", (cart_statistics.counted("shop"), cart_statistics.converted_within("shop", PERIOD))
)
def test_cancelled_orders_are_counted_by_the_index_that_is_documented(shop: Shop, statement: Any) -> None:
    """The predicate is literal, so that a statement that is prepared uses the partial index as well."""
    assert " ".join(cart_statistics.CANCELLED_INDEX.split()) in LIMITS.read_text(encoding="utf-8")
    shop.run(cart_statistics.CANCELLED_INDEX)
    compiled = statement.where(cart_statistics.CANCELLED).compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    with shop.database.session("tests") as connection:
        connection.execute(b"SET enable_seqscan = off")
        connection.execute(b"SET plan_cache_mode = force_generic_plan")
        rows = connection.execute(f"EXPLAIN {compiled}".encode(), compiled.params).fetchall()
    assert any("carts_cancelled" in row[0] for row in rows), rows
