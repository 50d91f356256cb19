"""A funnel: one offer on its own page, whose cart is handed over to the shop by a single-use session."""

import secrets
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from cartctl.cart import SiteType
from cartctl.sandbox.service.pages.catalogue import CURRENCY, new_line, products
from cartctl.sandbox.service.pages.failures import PageError
from cartctl.sandbox.service.pages.forms import Form, text
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.pages.shop.visitor import Shopper, Visitor

SEE_OTHER = 303
LONGEST_TOKEN = 100

router = APIRouter(prefix="/shop/{company}")


@router.get("/funnel")
def show(visitor: Shopper) -> Response:
    """The offer: the first product that is in stock."""
    return page(
        visitor.request,
        "shop/funnel.html",
        **visitor.context(view=None),
        product=_offer(visitor),
        currency=CURRENCY,
        key=secrets.token_urlsafe(9),
    )


@router.post("/funnel")
def take(visitor: Shopper, form: Form) -> Response:
    """Start a funnel's cart with the offer and create the session that hands it over."""
    key = text(form, "key", "The form's key", 40)
    line = new_line(visitor.data, visitor.shop.id, _offer(visitor)["id"], 1)
    view = visitor.service.add_line(visitor.open_cart(SiteType.FUNNEL).id, line, key=key)
    token = visitor.service.hand_over(view.id)
    return page(
        visitor.request, "shop/funnel_next.html", **visitor.context(view=None), taken=view, token=token
    )


@router.post("/continue")
def continue_in_shop(visitor: Shopper, form: Form) -> Response:
    """Continue with the cart of a session, which can be used once."""
    token = text(form, "session", "The session", LONGEST_TOKEN)
    view = visitor.service.continue_session(token)
    visitor.service.end_session(token)
    visitor.remember(cart=view.id)
    return RedirectResponse(f"/shop/{visitor.shop.id}/cart", SEE_OTHER)


def _offer(visitor: Visitor) -> dict[str, Any]:
    product = next((row for row in products(visitor.data, visitor.shop.id) if row["stock"] > 0), None)
    if product is None:
        raise PageError(404, "The offer has ended", "Everything is sold out.")
    return product
