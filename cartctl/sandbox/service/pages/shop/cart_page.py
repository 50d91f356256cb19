"""The cart's page: lines, lines saved for later, codes, address, shipping, totals, and the conversion components."""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from cartctl.cart import CartComponents, CartView
from cartctl.sandbox.service.pages.catalogue import products_by_id
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.pages.shop.visitor import Shopper, Visitor
from cartctl.sandbox.service.pages.wording import reason_text

_ADDRESS = """
SELECT "shippingCountry" AS country, "shippingState" AS state, "shippingCity" AS city, "shippingPostalCode" AS postal_code
FROM carts WHERE id = %(cart)s AND "companyId" = %(company)s
"""

router = APIRouter(prefix="/shop/{company}")


@router.get("/cart")
def show_cart(visitor: Shopper) -> Response:
    """The cart, priced as of now; nothing is written."""
    view = visitor.cart()
    if view is None:
        return page(visitor.request, "shop/empty_cart.html", **visitor.context(view=None))
    saved = visitor.service.saved_items(view.id)
    components = visitor.service.components(view.id)
    suggested = [
        *(item.product_id for item in view.items),
        *(item.product_id for item in saved),
        *components.upsell,
    ]
    known = products_by_id(visitor.data, visitor.shop.id, suggested)
    return page(
        visitor.request,
        "shop/cart.html",
        **visitor.context(view=view),
        lines=lines_of(view, known),
        address=_address(visitor, view),
        saved=[{"item": item, "product": known.get(item.product_id)} for item in saved],
        codes=codes_of(view),
        components=components,
        urgent=urgent(components, view),
        upsell=[known[each] for each in components.upsell if each in known],
        key=secrets.token_urlsafe(9),
    )


def lines_of(view: CartView, known: Any) -> list[dict[str, Any]]:
    """Every line with its product, gifts included."""
    own = {item.id for item in view.items}
    lines = []
    for line in view.quote.lines:
        product = known.get(line.product_id)
        name = product["name"] if product else line.product_id
        lines.append(
            {"line": line, "name": name, "own": line.id in own, "gift_of": _promotion_of(view, line.id)}
        )
    return lines


def codes_of(view: CartView) -> list[dict[str, Any]]:
    """Each code with its discount, or why it has none."""
    return [
        {"code": each.code, "amount": each.amount, "reason": reason_text(each.reason)}
        for each in view.priced.promotions
    ]


def urgent(components: CartComponents, view: CartView) -> str:
    """What ends soon, in words; empty if nothing does."""
    if components.urgency is None:
        return ""
    if components.urgency.promotion_id is None:
        return "Your cart is kept for"
    codes = {each.id: each.code for each in view.priced.promotions}
    return f"Your discount {codes.get(components.urgency.promotion_id, '')} ends in"


def _promotion_of(view: CartView, line_id: str) -> str:
    """The promotion whose gift a line is, or None."""
    return next((each.id for each in view.priced.promotions if line_id.endswith(each.id)), "")


def _address(visitor: Visitor, view: CartView) -> Mapping[str, Any]:
    """The address as it was entered."""
    [row] = visitor.data.rows(_ADDRESS, {"cart": view.id, "company": visitor.shop.id})
    return row
