"""The page of a recovery link: opening it changes nothing, since mail scanners open every link; a form redeems it, once."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from cartctl.cart import CartNotActive, CartStatus, TransitionInvalid
from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.failures import feature_disabled
from cartctl.sandbox.service.pages.forms import Form
from cartctl.sandbox.service.pages.recovery_links import Recoverable, read_link, used_up
from cartctl.sandbox.service.pages.rendering import page
from cartctl.sandbox.service.pages.shop.visitor import Shopper, Visitor
from cartctl.sandbox.service.routes.carts import CartId

SEE_OTHER = 303
_USED = "The cart has been opened with it, bought or closed since."

router = APIRouter(prefix="/shop/{company}/recover")


@router.get("/{cart_id}")
def show(visitor: Shopper, cart_id: CartId) -> Response:
    """Show the link's cart."""
    link = _link(visitor, cart_id)
    left = visitor.service.get_cart(link.cart_id)
    if left.cart.status is not CartStatus.ABANDONED or left.cart.abandoned_at != link.abandoned_at:
        raise used_up(_USED)
    return page(visitor.request, "shop/recover.html", **visitor.context(view=None), left=left, link=cart_id)


@router.post("/{cart_id}")
def redeem(visitor: Shopper, cart_id: CartId, _form: Form) -> Response:
    """Reopen the cart and assign it to this visitor."""
    link = _link(visitor, cart_id)
    try:
        view = visitor.service.recover(link.cart_id, abandoned_at=link.abandoned_at)
    except (CartNotActive, TransitionInvalid) as again:
        raise used_up(_USED) from again
    visitor.remember(cart=view.id, recovered=view.id)
    session.say(visitor.request, "Welcome back. Your cart is as you left it.")
    return RedirectResponse(f"/shop/{visitor.shop.id}/cart", SEE_OTHER)


def _link(visitor: Visitor, signed: str) -> Recoverable:
    if not visitor.shop.recovery:
        raise feature_disabled()
    return read_link(visitor.request, visitor.shop.id, signed)
