"""One cart: its lines with each discount, its totals with reasons, its history."""

from typing import Any

from fastapi import APIRouter, Request, Response

from cartctl.cart import CartError, Carts, CartStatus, CartView
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.pages.admin.access import CartAdmin, Database
from cartctl.sandbox.service.pages.admin.customers import customers_of
from cartctl.sandbox.service.pages.admin.history import history
from cartctl.sandbox.service.pages.catalogue import service_of
from cartctl.sandbox.service.pages.recovery_links import recovery_path
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.pages.wording import reason_text
from cartctl.sandbox.service.routes.carts import CartId

router = APIRouter()


@router.get("/carts/{cart_id}")
def show_cart(request: Request, cart_id: CartId, admin: CartAdmin, data: Database) -> Response:
    """A cart of the company; 404 for any other."""
    now = request.app.state.clock.now()
    with data.session() as connection:
        carts = Carts(connection, admin.company)
        detail = carts.detail(cart_id)
        due = bool(admin.recovery and carts.candidates(now, [cart_id]))
    cart = detail.cart
    view, problem = _priced(request, data, admin.company, cart_id)
    customers = customers_of(data, admin.company, [cart])
    recoverable = admin.recovery and cart["status"] == CartStatus.ABANDONED and cart["abandonedAt"]
    return page(
        request,
        "cart.html",
        **admin.context,
        cart=cart,
        items=detail.items,
        promotions=_codes(detail.promotions, view, cart["status"]),
        view=view,
        problem=problem,
        customer=customers.get(cart["customerId"]),
        events=history(cart),
        link=recovery_path(request, admin.company, cart_id, cart["abandonedAt"]) if recoverable else "",
        due=due,
        now=now,
    )


def _priced(request: Request, data: Data, company: str, cart_id: str) -> tuple[CartView | None, str]:
    """The cart at current prices, or the reason why it cannot be priced: other applications write these tables too."""
    try:
        return service_of(request, data, company).get_cart(cart_id), ""
    except CartError as error:
        return None, error.message


def _codes(applied: list[Any], view: CartView | None, status: str) -> list[dict[str, Any]]:
    """Each code with its discount, or the reason why it has none now."""
    outcomes = {outcome.id: outcome for outcome in view.priced.promotions} if view else {}
    open_cart = status in {CartStatus.ACTIVE, CartStatus.ABANDONED}
    codes = []
    for row in applied:
        outcome = outcomes.get(row["id"])
        reason = reason_text(outcome.reason) if open_cart and outcome and outcome.reason else ""
        codes.append({**row, "reason": reason})
    return codes
