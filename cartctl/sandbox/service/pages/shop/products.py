"""The pages of the shop's products."""

import secrets

from fastapi import APIRouter, Response

from cartctl.cart import scarcity
from cartctl.sandbox.service.pages.catalogue import CURRENCY, products
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.pages.shop.visitor import Anybody

router = APIRouter(prefix="/shop/{company}")


@router.get("")
def list_products(visitor: Anybody) -> Response:
    """Every product with its price; remaining stock only where it is low."""
    rows = products(visitor.data, visitor.shop.id)
    return page(
        visitor.request,
        "shop/products.html",
        **visitor.context(),
        products=[{**row, "few": scarcity(row["stock"])} for row in rows],
        currency=CURRENCY,
        key=secrets.token_urlsafe(9),
    )
