"""Sign-in of a shopper with the token of their account; the guest's cart is merged into the customer's."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from cartctl.sandbox.service.middleware.tokens import Tokens
from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.catalogue import CURRENCY
from cartctl.sandbox.service.pages.forms import Form
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.pages.shop.visitor import Shopper, Visitor

SEE_OTHER = 303
_CUSTOMER = """
SELECT id, "firstName" || ' ' || "lastName" AS name FROM customers WHERE "companyId" = %(company)s AND email = %(email)s
"""

router = APIRouter(prefix="/shop/{company}")


@router.get("/sign-in")
def show(visitor: Shopper) -> Response:
    """The form."""
    return page(visitor.request, "shop/sign_in.html", **visitor.context(), error="")


@router.post("/sign-in")
def sign_in(visitor: Shopper, form: Form) -> Response:
    """Sign in as the customer whose e-mail address the token has, and merge the carts."""
    tokens: Tokens = visitor.request.app.state.tokens
    bearer = tokens.bearer(f"Bearer {form.get('token', '').strip()}")
    rows = []
    if bearer is not None and bearer.company == visitor.shop.id:
        rows = visitor.data.rows(_CUSTOMER, {"company": bearer.company, "email": bearer.email})
    if not rows:
        error = "This is not the access token of a customer of this shop."
        context = visitor.context()
        return page(visitor.request, "shop/sign_in.html", status=401, **context, error=error)
    _merge(visitor, rows[0]["id"], rows[0]["name"])
    return RedirectResponse(f"/shop/{visitor.shop.id}/cart", SEE_OTHER)


@router.post("/sign-out")
def sign_out(visitor: Shopper, _form: Form) -> Response:
    """Remove the customer and their cart from the session."""
    session.renew(visitor.request)
    visitor.remember(customer=None, name=None, cart=None, recovered=None, orders=None)
    session.say(visitor.request, "You have signed out.")
    return RedirectResponse(f"/shop/{visitor.shop.id}", SEE_OTHER)


def _merge(visitor: Visitor, customer: str, name: str) -> None:
    guest = visitor.cart()
    if guest is not None and guest.cart.customer_id is None and guest.session_token:
        view, warnings = visitor.service.merge(guest.id, guest.session_token, customer)
        merged = "Your cart has been merged." if view.id != guest.id else "Your cart is now in your account."
        message = " ".join((f"Welcome, {name}.", merged, *warnings))
    else:
        view = visitor.service.open_cart(CURRENCY, customer_id=customer)
        message = f"Welcome, {name}."
    session.renew(visitor.request)
    visitor.remember(customer=customer, name=name, cart=view.id, recovered=None)
    session.say(visitor.request, message)
