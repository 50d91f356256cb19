"""Fills the sandbox's cart tables by COPY, in one transaction: killed, everything is as it was before.

Indexes are made anew after the rows, which costs a fraction of keeping them up row by row; keys are not looked up for
each row, because what is written refers to what was just written.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, LiteralString

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, sql
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, UsageError
from cartctl.sandbox.data.cart_rows import CART_COLUMNS, ITEM_COLUMNS, PART
from cartctl.sandbox.data.population import Population, Product, Tenant, expected_carts
from cartctl.sandbox.data.seed import companies
from cartctl.sandbox.data.surroundings import fill_surroundings
from cartctl.sandbox.data.workers import parts
from cartctl.sandbox.layout import Layout, checked_directory
from cartctl.sandbox.names import DATABASE

PER_CUSTOMER = 8  # carts
YEARS = range(2001, 2500)  # whose milliseconds fit into ids
SETTINGS = {"maintenance_work_mem": "512MB", "max_parallel_maintenance_workers": "2", "work_mem": "64MB"}


@dataclass(frozen=True, slots=True)
class Seeded:
    """The result of seeding; `copy_seconds` is the time for the rows of carts and lines, `seconds` includes indexes and all else."""

    kind: ClassVar[str] = "seeded"

    carts: int
    companies: int
    items: int
    seed: int
    until: datetime
    copy_seconds: float
    seconds: float
    shown: ClassVar[tuple[str, ...]] = ("carts_per_second",)

    @property
    def carts_per_second(self) -> int:
        """Carts written per second, with their lines."""
        return round(self.carts / self.copy_seconds) if self.copy_seconds else 0


def superuser(name: str) -> Postgres:
    """The database of the sandbox `name`, as its superuser. Raises StepFailed when it does not run."""
    layout = Layout(checked_directory(name))
    return EmbeddedPostgres(layout.postgres).database("postgres", DATABASE)


def fill(
    postgres: Postgres, *, carts: int, count: int, seed: int, until: datetime, replace: bool, pulse: Pulse
) -> Seeded:
    """Write `carts` carts of `count` companies as of `until` (UTC); `postgres` is a superuser's.

    Raises Refused without the cart's tables, and where there are carts already unless they are to be replaced;
    UsageError for an end in another age.
    """
    began = time.monotonic()
    if until.year not in YEARS:
        raise UsageError(f"The data cannot end in {until.year}.", hint="--until is a time from 2001 to 2499.")
    moment = until.astimezone(UTC).replace(tzinfo=None)
    with postgres.session("seed", autocommit=False, **SETTINGS) as connection:
        with pulse.cancelling(connection.cancel_safe):
            _refuse(connection, replace=replace)
            tenants = _clear_and_prepare(connection, carts, count)
            chosen = Population(carts, seed, moment, tenants)
            indexes = _without_indexes(connection)
            items, seconds = _copy_parts(connection, chosen, pulse)
            fill_surroundings(connection, chosen)
            for statement in indexes:
                connection.execute(statement)
        with effect("postgres.seed"):
            connection.commit()
    with postgres.session("seed") as connection, pulse.cancelling(connection.cancel_safe):
        connection.execute("VACUUM (ANALYZE) carts, cart_items, cross_site_sessions, customers, products")
    return Seeded(
        carts=carts,
        companies=count,
        items=items,
        seed=seed,
        until=until,
        copy_seconds=round(seconds, 3),
        seconds=round(time.monotonic() - began, 3),
    )


def _refuse(connection: Connection, *, replace: bool) -> None:
    [there] = connection.execute("SELECT to_regclass('public.carts')").fetchone() or [None]
    if there is None:
        raise Refused(
            "The cart tables do not exist.", hint="Create them: cartctl migrate deploy --env sandbox"
        )
    [filled] = connection.execute("SELECT EXISTS (SELECT FROM carts)").fetchone() or [False]
    if filled and not replace:
        raise Refused("The database already has carts.", hint="--replace removes them first.")


def _clear_and_prepare(connection: Connection, carts: int, count: int) -> tuple[Tenant, ...]:
    """Remove what an earlier filling wrote, add the companies and customers that are needed, and tell who there is."""
    for statement in _CLEARING:
        connection.execute(statement)
    connection.execute("SET LOCAL session_replication_role = replica")
    known = [company.id for company in companies()]
    added = [f"company-{number:04}" for number in range(len(known), count)]
    chosen = (known + added)[:count]
    for statement in _COMPANIES:
        connection.execute(statement, {"ids": added})
    shares = dict(zip(chosen, expected_carts(carts, count), strict=True))
    customers = {company: max(3, share // PER_CUSTOMER) for company, share in shares.items()}
    connection.execute(_CUSTOMERS, {"ids": list(customers), "counts": list(customers.values())})
    return tuple(_tenants(connection, chosen, customers))


_CLEARING: tuple[LiteralString, ...] = (
    "TRUNCATE carts, cart_items, saved_cart_items, cart_promotions, promotion_usages, cross_site_sessions",
    "DELETE FROM promotions WHERE id LIKE 'seeded-%'",
    "DELETE FROM tax_rates WHERE id LIKE 'seeded-%'",
    "DELETE FROM shipping_zones WHERE id LIKE 'seeded-%'",
    "DELETE FROM companies WHERE id LIKE 'company-%'",
    "DELETE FROM customers WHERE id LIKE '%-shopper-%'",
)
_COMPANIES: tuple[LiteralString, ...] = (
    """INSERT INTO companies (id, name, beta)
       SELECT id, initcap(replace(id, '-', ' ')), n %% 4 = 0 FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS made (id, n)""",
    """INSERT INTO sites (id, "companyId", name, domain)
       SELECT id || '-shop', id, 'Shop', 'shop.' || id || '.example' FROM unnest(%(ids)s::text[]) AS made (id)""",
    """INSERT INTO products (id, "companyId", name, category, price, stock)
       SELECT made.id || substr(model.id, length(model."companyId") + 1), made.id, name, category, price, stock
       FROM unnest(%(ids)s::text[]) AS made (id) CROSS JOIN products AS model WHERE model."companyId" = 'avnz'""",
)
_CUSTOMERS = """
INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
SELECT id || '-shopper-' || lpad(n::text, greatest(5, length(n::text)), '0'), id, 'shopper' || n || '@' || id || '.example', 'Shopper', n::text
FROM unnest(%(ids)s::text[], %(counts)s::int[]) AS made (id, count), generate_series(0, count - 1) AS n
"""


def _tenants(connection: Connection, chosen: list[str], customers: dict[str, int]) -> Iterator[Tenant]:
    sites: dict[str, list[str]] = {company: [] for company in chosen}
    products: dict[str, list[Product]] = {company: [] for company in chosen}
    ask = {"ids": chosen}
    rows: Iterable[Any] = connection.execute(
        'SELECT "companyId", id FROM sites WHERE "companyId" = ANY(%(ids)s) ORDER BY id DESC', ask
    )
    for company, site in rows:
        sites[company].append(site)
    rows = connection.execute(
        """SELECT "companyId", id, name, category, (price * 100)::int FROM products
           WHERE "companyId" = ANY(%(ids)s) ORDER BY id""",
        ask,
    )
    for company, *product in rows:
        products[company].append(Product(*product))
    for company in chosen:
        yield Tenant(company, tuple(sites[company]), tuple(products[company]), customers[company])


def _without_indexes(connection: Connection) -> list[bytes]:
    """Drop the carts' and lines' indexes that are no keys, and give the statements that make them again."""
    rows = connection.execute(
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
           WHERE indrelid IN ('carts'::regclass, 'cart_items'::regclass) AND NOT indisprimary ORDER BY 1"""
    ).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}".encode())
    return [definition.encode() for _, definition in rows]


def _copy_parts(connection: Connection, chosen: Population, pulse: Pulse) -> tuple[int, float]:
    """Write every part while the next ones are being made; gives the number of lines and the seconds it took."""
    began, items = time.monotonic(), 0
    for number, part in enumerate(parts(chosen), start=1):
        pulse.check()
        _copy(connection, "carts", CART_COLUMNS, part.carts)
        _copy(connection, "cart_items", ITEM_COLUMNS, part.items)
        items += part.lines
        pulse.progress(min(number * PART, chosen.carts), chosen.carts, "carts")
    return items, time.monotonic() - began


def _copy(connection: Connection, table: str, columns: tuple[str, ...], rows: bytes) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.write(rows)
