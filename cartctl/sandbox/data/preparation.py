"""The companies, sites, products and customers that seeded carts refer to; the rows of an earlier seeding are removed first."""

from collections.abc import Iterable
from typing import Any, LiteralString

from cartctl.adapters.postgres import Connection
from cartctl.sandbox.data.markets import market_of
from cartctl.sandbox.data.population import Product, Tenant, expected_carts
from cartctl.sandbox.data.seed import companies

PER_CUSTOMER = 8  # carts

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
       SELECT made.id || substr(model.id, length(model."companyId") + 1), made.id, name, category,
              CASE WHEN factor = 1 THEN price ELSE round(price * factor) END, stock
       FROM unnest(%(ids)s::text[], %(factors)s::int[]) AS made (id, factor)
       CROSS JOIN products AS model WHERE model."companyId" = 'avnz'""",
)
_CUSTOMERS = """
INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
SELECT id || '-shopper-' || lpad(n::text, greatest(5, length(n::text)), '0'), id, 'shopper' || n || '@' || id || '.example', 'Shopper', n::text
FROM unnest(%(ids)s::text[], %(counts)s::int[]) AS made (id, count), generate_series(0, count - 1) AS n
"""


def clear_and_prepare(connection: Connection, carts: int, count: int) -> None:
    """Remove the rows of an earlier seeding and add those needed for `carts` carts of `count` companies; the caller commits."""
    for statement in _CLEARING:
        connection.execute(statement)
    connection.execute("SET LOCAL session_replication_role = replica")
    platform = len(companies())
    added = _chosen(count)[platform:]
    factors = [market_of(position, platform).factor for position in range(platform, count)]
    for statement in _COMPANIES:
        connection.execute(statement, {"ids": added, "factors": factors})
    customers = _customers(carts, count)
    connection.execute(_CUSTOMERS, {"ids": list(customers), "counts": list(customers.values())})


def read_tenants(connection: Connection, carts: int, count: int) -> tuple[Tenant, ...]:
    """The companies that the carts belong to, the largest first, as they were prepared. Read-only."""
    customers = _customers(carts, count)
    chosen = list(customers)
    sites: dict[str, list[str]] = {company: [] for company in chosen}
    products: dict[str, list[Product]] = {company: [] for company in chosen}
    values = {"ids": chosen}
    rows: Iterable[Any] = connection.execute(
        'SELECT "companyId", id FROM sites WHERE "companyId" = ANY(%(ids)s) ORDER BY id DESC', values
    )
    for company, site in rows:
        sites[company].append(site)
    rows = connection.execute(
        """SELECT "companyId", id, name, category, (price * 100)::bigint FROM products
           WHERE "companyId" = ANY(%(ids)s) ORDER BY id""",
        values,
    )
    for company, *product in rows:
        products[company].append(Product(*product))
    platform = len(companies())
    return tuple(
        Tenant(
            company,
            market_of(position, platform),
            tuple(sites[company]),
            tuple(products[company]),
            customers[company],
        )
        for position, company in enumerate(chosen)
    )


def _chosen(count: int) -> list[str]:
    known = [company.id for company in companies()]
    return [*known, *(f"company-{number:04}" for number in range(len(known), count))][:count]


def _customers(carts: int, count: int) -> dict[str, int]:
    """How many customers each company has."""
    shares = zip(_chosen(count), expected_carts(carts, count), strict=True)
    return {company: max(3, share // PER_CUSTOMER) for company, share in shares}
