"""The data that a company's carts share, encoded for COPY: products, sites, customers, the promotion."""

import json
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from cartctl.sandbox.data.cart_amounts import CODE, line_tax
from cartctl.sandbox.data.copy_format import amount, integer, jsonb, text
from cartctl.sandbox.data.markets import Market
from cartctl.sandbox.data.population import Product, Tenant

_UNITS = (1, 1, 1, 1, 1, 1, 2, 2, 3, 6)


class Line(NamedTuple):
    """A line of a cart without a discount: the columns from productId to originalPrice, and its amounts in hundredths."""

    product: bytes
    base: int
    units: int
    tax: int
    amounts: bytes  # the columns discountAmount and lineTotal


@dataclass(frozen=True, slots=True)
class Shelf:
    """The data that a company's carts share, encoded."""

    company: bytes
    market: Market
    promotion: bytes
    sites: tuple[bytes, ...]
    shopper: bytes
    customers: int
    lines: tuple[tuple[Line, ...], ...]  # by product and number of units


def shelf_of(tenant: Tenant) -> Shelf:
    """The shelf of a company."""
    market = tenant.market
    return Shelf(
        company=text(tenant.id) + text(market.code) + text(market.country),
        market=market,
        promotion=text(f"seeded-{tenant.id}-{CODE.lower()}"),
        sites=tuple(map(text, tenant.sites)),
        shopper=tenant.id.replace("%", "%%").encode() + b"-shopper-%05d",
        customers=tenant.customers,
        lines=tuple(_lines(product, market) for product in tenant.products),
    )


def _lines(product: Product, market: Market) -> tuple[Line, ...]:
    name = text(product.id)
    priced = (_priced(product.name, product.category, product.cents, units, market) for units in _UNITS)
    return tuple(line._replace(product=name + line.product) for line in priced)


@cache
def _priced(name: str, category: str, cents: int, units: int, market: Market) -> Line:
    """A line without its product's id, since many companies sell the same product."""
    shown = {"name": name, "category": category, "price": f"{market.money.amount(cents // market.unit)}"}
    columns = (jsonb(json.dumps(shown, ensure_ascii=False)), integer(units), amount(cents) * 2)
    base = cents * units
    return Line(b"".join(columns), base, units, line_tax(base, market), amount(0) + amount(base))
