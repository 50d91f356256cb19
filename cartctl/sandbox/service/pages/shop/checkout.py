"""Checkout: the displayed total is charged, or nothing is."""

from decimal import Decimal, InvalidOperation

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from cartctl.cart import AgreedTotal, CartError, CartView, Converted
from cartctl.sandbox.service.pages.catalogue import products_by_id
from cartctl.sandbox.service.pages.failures import PageError
from cartctl.sandbox.service.pages.forms import Form, text
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.pages.shop.cart_page import codes_of, lines_of
from cartctl.sandbox.service.pages.shop.visitor import Shopper, Visitor
from cartctl.sandbox.service.routes.carts import CartId

SEE_OTHER = 303
_ORDERS = 20  # orders that a session may see

_ORDER = """
INSERT INTO orders (id, "companyId", "customerId", currency, total)
VALUES (%(id)s, %(company)s, %(customer)s, %(currency)s, %(total)s) ON CONFLICT (id) DO NOTHING
"""
_SOLD = """
UPDATE products SET stock = greatest(0, stock - %(units)s) WHERE id = %(product)s AND "companyId" = %(company)s
"""
_PLACED = (
    'SELECT id, currency, total, "createdAt" FROM orders WHERE id = %(id)s AND "companyId" = %(company)s'
)

router = APIRouter(prefix="/shop/{company}")


@router.get("/checkout")
def show(visitor: Shopper) -> Response:
    """The amount to be charged, or why the cart cannot be converted yet."""
    view = visitor.service.price(visitor.require_cart().id)
    known = products_by_id(visitor.data, visitor.shop.id, [item.product_id for item in view.items])
    return page(
        visitor.request,
        "shop/checkout.html",
        **visitor.context(view=view),
        lines=lines_of(view, known),
        codes=codes_of(view),
        blocked=view.priced.blocked if view.items else ("it is empty",),
    )


@router.post("/checkout")
def pay(visitor: Shopper, form: Form) -> Response:
    """Charge the total of the form. The order's id is the cart's, so that a second click gives the same order."""
    agreed = _agreed(form)
    view = visitor.require_cart()
    done = _convert(visitor, view, agreed)
    _place(visitor, view, done)
    orders = [*visitor.known.get("orders", []), done.order_id][-_ORDERS:]
    visitor.remember(cart=None, recovered=None, orders=orders)
    return RedirectResponse(f"/shop/{visitor.shop.id}/orders/{done.order_id}", SEE_OTHER)


@router.get("/orders/{cart_id}")
def show_order(visitor: Shopper, cart_id: CartId) -> Response:
    """An order that this visitor has placed."""
    rows = visitor.data.rows(_PLACED, {"id": cart_id, "company": visitor.shop.id})
    if not rows or cart_id not in visitor.known.get("orders", []):
        raise PageError(404, "Order not found", "It was not placed in this browser.")
    return page(visitor.request, "shop/order.html", **visitor.context(), order=rows[0])


def _agreed(form: Form) -> AgreedTotal:
    given = text(form, "total", "The total", 30)
    try:
        amount = Decimal(given)
    except InvalidOperation as wrong:
        raise PageError(422, "The total is not valid", f"{given!r} is not an amount.") from wrong
    if not amount.is_finite():
        raise PageError(422, "The total is not valid", f"{given!r} is not an amount.")
    return AgreedTotal(amount, text(form, "currency", "The currency", 3))


def _convert(visitor: Visitor, view: CartView, agreed: AgreedTotal) -> Converted:
    """Pay and convert; if the conversion is refused, the payment is ended and the cart can be changed again."""
    payment = f"payment-{view.id}"
    visitor.service.start_payment(view.id, payment, agreed)
    try:
        return visitor.service.convert(view.id, f"order-{view.id}", agreed)
    except CartError:
        visitor.service.end_payment(view.id, payment)
        raise


def _place(visitor: Visitor, view: CartView, done: Converted) -> None:
    """Create the platform's order and reduce stock; a repeated request changes neither."""
    company = visitor.shop.id
    order = {"id": done.order_id, "company": company, "customer": view.cart.customer_id}
    with visitor.data.transaction() as connection:
        new = connection.execute(_ORDER, {**order, "currency": done.currency, "total": done.grand_total})
        for line in done.lines if new.rowcount else ():
            sold = {"units": line.quantity, "product": line.product_id, "company": company}
            connection.execute(_SOLD, sold)
