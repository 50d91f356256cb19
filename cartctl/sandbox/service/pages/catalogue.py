"""A shop's products from the platform, and the pricing terms of its carts."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fastapi import Request

from cartctl.cart import CartService, NewLine, NotFound, PricingTerms
from cartctl.sandbox.service.data import Data

CURRENCY = "USD"  # of the platform's prices
SHOWN = 60  # products

_LISTED = """
SELECT id, name, category, price, stock FROM products WHERE "companyId" = %(company)s ORDER BY name, id LIMIT %(most)s
"""
_SOME = 'SELECT id, name, category, price, stock FROM products WHERE "companyId" = %(company)s AND id = ANY (%(ids)s)'
_STOCK = 'SELECT id, stock FROM products WHERE "companyId" = %(company)s'
_SHIPS = 'SELECT EXISTS (SELECT FROM shipping_zones WHERE "companyId" = %(company)s AND "isActive") AS ships'


def service_of(request: Request, data: Data, company: str) -> CartService:
    """The company's carts, priced with its stock, at the service's time."""
    return CartService(
        data.engine, company, terms=lambda: _terms(data, company), clock=request.app.state.clock.now
    )


def products(data: Data, company: str) -> list[dict[str, Any]]:
    """The products on the shop's page, by name."""
    return data.rows(_LISTED, {"company": company, "most": SHOWN})


def products_by_id(data: Data, company: str, ids: list[str]) -> dict[str, Mapping[str, Any]]:
    """Some of the company's products by id."""
    return {row["id"]: row for row in data.rows(_SOME, {"company": company, "ids": ids})} if ids else {}


def new_line(data: Data, company: str, product_id: str, quantity: int) -> NewLine:
    """A line at the shop's own price; the request cannot set it. Raises NotFound for a product of another company."""
    product = products_by_id(data, company, [product_id]).get(product_id)
    if product is None:
        raise NotFound("The product was not found in this shop.")
    snapshot = {"name": product["name"], "category": product["category"], "price": str(product["price"])}
    return NewLine(product_id, Decimal(product["price"]), quantity, snapshot=snapshot)


def _terms(data: Data, company: str) -> PricingTerms:
    """A company without shipping zones does not ship: its orders are collected."""
    stock = {row["id"]: row["stock"] for row in data.rows(_STOCK, {"company": company})}
    [row] = data.rows(_SHIPS, {"company": company})
    return PricingTerms(shipping_required=row["ships"], stock=stock)
