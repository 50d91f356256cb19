"""`cartctl sandbox seed`: the same data for the same seed, skewed, whole, and consistent with itself."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from typer.testing import CliRunner

from cartctl.adapters.postgres import Postgres
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.pricing_result import TaxStatus
from cartctl.cart.store import jobs
from cartctl.cart.store.checkout.stored_cart import load_stored
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.sql_engine import over
from cartctl.cart.store.tables import CartRow
from cartctl.cli import app
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, Refused, UsageError
from cartctl.sandbox.data.cart_rows import CART_COLUMNS, PART, Maker
from cartctl.sandbox.data.copy_format import since_2000
from cartctl.sandbox.data.fill import Seeded, fill
from cartctl.sandbox.data.markets import market_of
from cartctl.sandbox.data.population import Population, Product, Tenant, expected_carts
from cartctl.sandbox.data.preparation import clear_and_prepare, read_tenants
from cartctl.sandbox.data.seed import seed as seed_platform
from cartctl.sandbox.data.seeding_state import refuse_another
from cartctl.sandbox.data.sessions_and_offers import fill_sessions, sessions_of
from tests.sandbox_fixture import Sandbox

UNTIL = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def database(migrated: Postgres) -> Postgres:
    """A migrated database with the platform's own data."""
    with migrated.session("tests", autocommit=False) as connection:
        seed_platform(connection)
    return migrated


def filled(database: Postgres, carts: int = 3000, **given: Any) -> Seeded:
    """Fill it."""
    values: dict[str, Any] = {"count": 60, "seed": 7, "until": UNTIL, "replace": False, "pulse": Pulse()}
    return fill(database, carts=carts, **{**values, **given})


def rows(database: Postgres, query: str) -> list[tuple[Any, ...]]:
    """What a query gives."""
    with database.session("tests") as connection:
        return connection.execute(query.encode()).fetchall()


def content(database: Postgres) -> list[Any]:
    """Every seeded row."""
    tables = (
        "companies",
        "customers",
        "carts",
        "cart_items",
        "cross_site_sessions",
        "promotions",
        "tax_rates",
    )
    ignored = " - 'createdAt'"  # of platform rows: when they were made
    return [
        rows(
            database,
            f"SELECT md5(string_agg((to_jsonb(t){ignored})::text, '' ORDER BY id)) FROM {table} AS t",
        )
        for table in tables
    ]


def test_the_same_seed_gives_the_same_data(database: Postgres) -> None:
    """Seeding again with the same seed and end writes every row alike, another seed does not."""
    filled(database)
    first = content(database)
    filled(database, replace=True)
    assert content(database) == first
    filled(database, replace=True, seed=8)
    assert content(database) != first


def test_parts_are_the_same_made_in_any_order() -> None:
    """A part of the carts depends on its number alone, so that processes can share the work."""
    tenants = (Tenant("c", market_of(0, 1), ("s",), (Product("p", "Mug", "kitchen", 1000),), 5),)
    chosen = Population(PART * 2, 1, UNTIL.replace(tzinfo=None), tenants)
    maker = Maker(chosen)
    second, first = maker.part(1), maker.part(0)
    assert (Maker(chosen).part(0), maker.part(1)) == (first, second)
    assert first != second


def test_many_carts_are_made_beside_each_other(database: Postgres) -> None:
    """More than one part is made by processes, and every cart is there with the indexes that were there before."""
    before = rows(database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    done = filled(database, carts=PART + 10, count=1000)
    assert rows(database, "SELECT count(*), count(DISTINCT id) FROM carts") == [(done.carts, done.carts)]
    assert rows(database, "SELECT count(*) FROM cart_items") == [(done.items,)]
    assert rows(database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1") == before
    [(largest,)] = rows(
        database, 'SELECT max(n) FROM (SELECT count(*) AS n FROM carts GROUP BY "companyId") AS c'
    )
    assert 0.09 < largest / done.carts < 0.11


@pytest.mark.parametrize(
    "broken",
    (
        """SELECT 1 FROM carts LEFT JOIN customers ON customers.id = "customerId" AND customers."companyId" = carts."companyId"
           WHERE "customerId" IS NOT NULL AND customers.id IS NULL""",
        """SELECT 1 FROM carts JOIN sites ON sites.id = "siteId" WHERE sites."companyId" <> carts."companyId" """,
        'SELECT 1 FROM carts WHERE "grandTotal" <> subtotal - "discountTotal" + "taxTotal" + "shippingTotal"',
        """SELECT 1 FROM carts LEFT JOIN (SELECT "cartId", sum("lineTotal") AS lines, sum(quantity) AS units FROM cart_items
           GROUP BY 1) AS item ON "cartId" = id WHERE subtotal - "discountTotal" <> coalesce(lines, 0) OR "itemCount" <> coalesce(units, 0)""",
        """SELECT 1 FROM cart_items JOIN products ON products.id = "productId" JOIN carts ON carts.id = "cartId"
           WHERE price <> "unitPrice" OR products."companyId" <> carts."companyId" """,
        'SELECT 1 FROM carts WHERE (status = \'CONVERTED\') <> ("convertedAt" IS NOT NULL AND "orderId" IS NOT NULL)',
        "SELECT 1 FROM carts WHERE status = 'ABANDONED' AND \"abandonedAt\" IS NULL",
        'SELECT 1 FROM carts WHERE "recoveryEmailSent" <> ("recoveryEmailSentAt" IS NOT NULL)',
        """SELECT 1 FROM carts WHERE greatest("createdAt", "lastActivityAt", "convertedAt", "abandonedAt", "recoveryEmailSentAt")
           > '2026-02-01'""",
        'SELECT 1 FROM carts WHERE "createdAt" > "lastActivityAt"',
    ),
)
def test_no_row_contradicts_another(seeded: Postgres, broken: str) -> None:
    """References stay within the company, sums add up, states have their times, and nothing is of the future."""
    assert rows(seeded, broken) == []


@pytest.fixture(scope="module")
def seeded(pg18: Any, migrated_template: str) -> Any:
    """One filled database for all that only look."""
    made = pg18.create_database(migrated_template)
    with made.session("tests", autocommit=False) as connection:
        seed_platform(connection)
    filled(made)
    yield made
    pg18.drop(made)


@pytest.mark.parametrize(
    ("statement", "index"),
    (
        (jobs.due_to_expire(jobs.DUE, UNTIL).order_by(CartRow.expires_at), "idx_carts_expiration"),
        (jobs.candidates(UNTIL, ["avnz"]).order_by(CartRow.abandoned_at), "idx_carts_recovery_candidates"),
        (jobs.due_sessions(UNTIL), "idx_cross_site_sessions_cleanup"),
    ),
)
def test_the_planner_left_alone_takes_each_jobs_partial_index(
    seeded: Postgres, statement: Any, index: str
) -> None:
    """Among seeded carts no setting is needed for the three jobs to run on their three indexes."""
    compiled = statement.limit(500).compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    with seeded.session("tests") as connection:
        plan = connection.execute(f"EXPLAIN {compiled}".encode(), compiled.params).fetchall()
    assert any(index in row[0] for row in plan), plan


def test_every_state_is_there(seeded: Postgres) -> None:
    """Each status and type of site has carts, and each of the jobs has something to do."""
    assert len(rows(seeded, "SELECT DISTINCT status FROM carts")) == 5
    assert len(rows(seeded, 'SELECT DISTINCT "siteType" FROM carts')) == 5
    assert rows(seeded, "SELECT 1 FROM carts WHERE status = 'ABANDONED' AND NOT \"recoveryEmailSent\"")


def test_a_company_may_have_more_customers_than_five_digits_count(database: Postgres) -> None:
    """The customers of the largest companies are all there, by the ids that carts name them by."""
    with database.session("tests", autocommit=False) as connection:
        clear_and_prepare(connection, 800_016, 1)
        [tenant] = read_tenants(connection, 800_016, 1)
        result = b"SELECT count(*), max(id) FILTER (WHERE length(id) > 18) FROM customers WHERE id LIKE 'avnz-shopper-%'"
        assert connection.execute(result).fetchone() == (tenant.customers, "avnz-shopper-100001")
        connection.rollback()


@pytest.mark.parametrize("year", (1, 2000, 2500, 9999))
def test_times_that_no_cart_has_are_refused(database: Postgres, year: int) -> None:
    """Carts end in this age of ours: ids are made of their times."""
    with pytest.raises(UsageError, match=f"must not be in {year}"):
        filled(database, until=UNTIL.replace(year=year))


def test_carts_that_are_there_are_kept_unless_they_are_to_be_replaced(database: Postgres) -> None:
    """Seeding twice is refused without --replace, and nothing is changed."""
    filled(database, carts=50, count=5)
    before = content(database)
    with pytest.raises(Refused, match="already has carts"):
        filled(database, carts=60, count=5)
    assert content(database) == before


def stopped(database: Postgres, unit: str, **given: Any) -> None:
    """Seed until the first progress of `unit`, and be interrupted there."""

    def progress(_done: float, _total: float, seen: str) -> None:
        if seen == unit:
            pulse.alarm(Interrupted("stop"))

    pulse = Pulse(progress=progress)
    with pytest.raises(Interrupted):
        filled(database, pulse=pulse, **given)


@pytest.mark.parametrize("unit", ("carts", "sessions", "indexes"))
def test_an_interrupted_seeding_continues(database: Postgres, unit: str) -> None:
    """Interrupted during carts, sessions or indexes, the same command gives what an uninterrupted one gives."""
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    before, carts = rows(database, indexes), PART + 10
    filled(database, carts=carts)
    whole = content(database)
    stopped(database, unit, carts=carts, replace=True)
    assert rows(database, indexes) != before
    done = filled(database, carts=carts, until=None)
    assert (done.until, done.resumed) == (UNTIL, PART if unit == "carts" else carts)
    assert content(database) == whole
    assert rows(database, indexes) == before
    assert rows(database, "SELECT 1 FROM pg_namespace WHERE nspname = 'sandbox_seeding'") == []


def test_other_values_do_not_continue_an_unfinished_seeding(database: Postgres) -> None:
    """The refusal names the command that continues; --replace begins anew, with every index."""
    before = rows(database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    stopped(database, "carts", carts=PART * 2)
    with pytest.raises(Refused, match=f"{PART * 2} carts is unfinished: {PART} are written") as refused:
        filled(database, carts=50)
    assert f"--carts {PART * 2} --companies 60 --seed 7" in str(refused.value.hint)
    assert filled(database, carts=50, replace=True).resumed == 0
    assert rows(database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1") == before
    assert rows(database, "SELECT count(*) FROM carts") == [(50,)]


def test_two_seedings_at_once_are_refused(database: Postgres) -> None:
    """The second one changes nothing."""
    with database.session("other") as other:
        refuse_another(other)
        with pytest.raises(Refused, match="already being seeded"):
            filled(database)


def test_the_last_part_of_twenty_million_carts_is_as_the_first() -> None:
    """Ids, times and references of the largest seeding: of one length, in order, and none beyond the end."""
    tenants = (Tenant("c", market_of(0, 1), ("s",), (Product("p", "Mug", "kitchen", 1000),), 2_500_000),)
    chosen = Population(20_000_000, 1, UNTIL.replace(tzinfo=None), tenants)
    maker = Maker(chosen)
    first, last = (ids_of(maker.part(number).carts) for number in (0, 20_000_000 // PART - 1))
    assert len(first) == len(last) == PART
    assert first == sorted(first) < last == sorted(last)
    assert [int(cart[12:20], 16) for cart in (first[0], last[-1])] == [0, 19_999_999]
    assert int(last[-1][1:12], 16) <= since_2000(chosen.until)


def ids_of(rows_of_copy: bytes) -> list[str]:
    """The ids of carts as COPY has them."""
    begin = len(CART_COLUMNS).to_bytes(2, "big") + (24).to_bytes(4, "big")
    return [row[:24].decode() for row in rows_of_copy.split(begin)[1:]]


def test_sessions_of_twenty_million_carts_fit_their_columns(database: Postgres) -> None:
    """The last sessions are written and belong to known companies: their arithmetic leaves int4 at 1.08 million carts."""
    filled(database, carts=50)
    with database.session("tests", autocommit=False) as connection:
        tenants = read_tenants(connection, 50, 60)
        chosen = Population(20_000_000, 7, UNTIL.replace(tzinfo=None), tenants)
        assert sum(expected_carts(20_000_000, 1000)) == 20_000_000
        count = sessions_of(chosen)
        fill_sessions(connection, chosen, count - 999, count)
        [written] = connection.execute("""SELECT count(*) FROM cross_site_sessions JOIN companies ON companies.id = "companyId"
            WHERE length(cross_site_sessions.id) = 8 AND "lastActiveAt" <= '2026-02-01'""").fetchone() or [0]
        assert written == 1000
        connection.rollback()


def test_the_library_prices_seeded_carts_as_they_are_stored(seeded: Postgres) -> None:
    """Read back and priced by the library, every amount of some carts in each currency is the stored one.

    Lines, discounts per line and code, tax, shipping and totals; no amount is finer than its currency.
    """
    engine = over(lambda: seeded.connect("tests", autocommit=False))
    seen: Counter[str] = Counter()
    with engine.connect() as connection:
        for company, cart_id, code in connection.execute(text(SAMPLE)):
            stored = load_stored(connection, company, cart_id, locked=False)
            now = stored.row["createdAt"]
            priced = price(stored.request(connection, now, PricingTerms()))
            totals = ("subtotal", "discountTotal", "taxTotal", "shippingTotal", "grandTotal")
            given = (priced.subtotal, priced.discount_total, priced.tax_total, priced.shipping_total)
            assert tuple(stored.row[name] for name in totals) == (*given, priced.grand_total), cart_id
            assert stored.row["itemCount"] == priced.item_count
            lines = connection.execute(text(LINES), {"cart": cart_id})
            assert {line: amounts for line, amounts in lines} == {  # noqa: C416 - of rows
                line.id: [line.discount, line.net] for line in priced.lines
            }
            assert dict(stored.shown) == {p.id: p.amount for p in priced.promotions}
            assert all(currency(code).holds(stored.row[name]) for name in totals)
            assert priced.tax_status is TaxStatus.RESOLVED
            seen[code] += bool(stored.promotions)
    engine.dispose()
    assert seen.keys() == {"USD", "EUR", "GBP", "CAD", "CHF", "JPY", "KRW"}
    assert min(seen.values()) > 0, "no cart with a code"


SAMPLE = """SELECT "companyId", id, currency FROM (
    SELECT *, row_number() OVER (PARTITION BY currency, "discountCodes" ORDER BY id DESC) AS place FROM carts) AS carts
WHERE place <= 40"""
LINES = """SELECT id, ARRAY["discountAmount", "lineTotal"] FROM cart_items WHERE "cartId" = :cart"""


def test_uses_of_promotions_are_those_of_bought_carts(seeded: Postgres) -> None:
    """Every bought cart with a code has its use recorded, once, and the promotion counts them."""
    uses = """SELECT count(*) FROM carts JOIN cart_promotions AS shown ON shown."cartId" = carts.id
        JOIN promotion_usages AS used ON used."orderId" = carts."orderId" AND used."promotionId" = shown."promotionId"
             AND used."discountAmount" = shown."discountAmount" AND used."customerId" IS NOT DISTINCT FROM carts."customerId"
        WHERE status = 'CONVERTED'"""
    [(bought,)] = rows(
        seeded, "SELECT count(*) FROM carts WHERE status = 'CONVERTED' AND \"discountCodes\" <> '[]'"
    )
    assert bought > 10
    assert rows(seeded, uses) == rows(seeded, "SELECT count(*) FROM promotion_usages") == [(bought,)]
    assert rows(seeded, 'SELECT sum("currentUses") FROM promotions') == [(bought,)]


def test_without_tables_it_says_what_to_do(platform_database: Postgres) -> None:
    """A database that was not migrated is refused with the command that migrates it."""
    with pytest.raises(Refused, match="tables do not exist"):
        filled(platform_database)


def test_the_command_fills_a_sandbox(sandbox: Sandbox) -> None:
    """`sandbox seed` is refused before the deployment; after it, the result tells what was written."""
    refused = CliRunner().invoke(app, ["sandbox", "seed", "-o", "json"])
    assert (refused.exit_code, json.loads(refused.stdout)["exit_code"]) == (3, 3)
    assert CliRunner().invoke(app, ["--env", "sandbox", "migrate", "deploy"]).exit_code == 0
    done = CliRunner().invoke(app, ["sandbox", "seed", "--carts", "200", "--companies", "3", "-o", "json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["kind"], document["carts"], document["companies"]) == ("seeded", 200, 3)
    assert document["carts_per_second"] > 0
