"""Changes of a cart by forms. Each is one call of the library; a refusal shows an error page and changes nothing."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from cartctl.cart import Address, CartView
from cartctl.cart.pricing.promotions.codes import canonical_code
from cartctl.sandbox.service.pages import session
from cartctl.sandbox.service.pages.catalogue import new_line
from cartctl.sandbox.service.pages.failures import PageError
from cartctl.sandbox.service.pages.forms import Form, number, optional_text, text
from cartctl.sandbox.service.pages.shop.visitor import Shopper, Visitor
from cartctl.sandbox.service.pages.wording import reason_text

SEE_OTHER = 303
MOST = 999  # maximum units of a line in this shop
LONGEST_CODE = 60
LONGEST_KEY = 40
_PARTS = (("state", "The state"), ("city", "The city"), ("postal_code", "The postal code"))

router = APIRouter(prefix="/shop/{company}/cart")


@router.post("/add")
def add(visitor: Shopper, form: Form) -> Response:
    """Add a product at the shop's price; the form's idempotency key makes a second click harmless."""
    product, units = text(form, "product", "The product"), quantity(form)
    line = new_line(visitor.data, visitor.shop.id, product, units)
    cart = visitor.open_cart()
    key = optional_text(form, "key", "The form's key", LONGEST_KEY)
    visitor.service.add_line(cart.id, line, key=f"{key}:{product}"[:200] if key else None)
    return _shown(visitor, "Added to your cart.")


@router.post("/quantity")
def change_quantity(visitor: Shopper, form: Form) -> Response:
    """Set the units of a line."""
    line, units = text(form, "line", "The line"), quantity(form)
    return _changed(
        visitor, lambda cart: visitor.service.change_quantity(cart, line, units), "Quantity changed."
    )


@router.post("/remove")
def remove(visitor: Shopper, form: Form) -> Response:
    """Remove a line."""
    line = text(form, "line", "The line")
    return _changed(visitor, lambda cart: visitor.service.remove_line(cart, line), "Removed from your cart.")


@router.post("/save")
def save_for_later(visitor: Shopper, form: Form) -> Response:
    """Save a line for later."""
    line = text(form, "line", "The line")
    return _changed(visitor, lambda cart: visitor.service.save_for_later(cart, line), "Saved for later.")


@router.post("/move")
def move_to_cart(visitor: Shopper, form: Form) -> Response:
    """Move a saved line into the cart, at today's price."""
    line = new_line(visitor.data, visitor.shop.id, text(form, "product", "The product"), 1)
    return _changed(visitor, lambda cart: visitor.service.move_to_cart(cart, line), "Moved to your cart.")


@router.post("/code")
def apply_code(visitor: Shopper, form: Form) -> Response:
    """Apply a code, and show its discount or why it has none."""
    code = text(form, "code", "The code", LONGEST_CODE)
    view = visitor.service.apply_code(visitor.require_cart().id, code)
    canonical = canonical_code(code)
    outcome = next((each for each in view.priced.promotions if each.code.strip().upper() == canonical), None)
    if outcome is not None and outcome.reason is not None:
        return _shown(visitor, f"{canonical} gives no discount now: {reason_text(outcome.reason)}.")
    return _shown(visitor, f"{canonical} applied.")


@router.post("/code/remove")
def remove_code(visitor: Shopper, form: Form) -> Response:
    """Remove a code."""
    code = text(form, "code", "The code", LONGEST_CODE)
    return _changed(visitor, lambda cart: visitor.service.remove_code(cart, code), "Code removed.")


@router.post("/gift/decline")
def decline_gift(visitor: Shopper, form: Form) -> Response:
    """Decline a promotion's gift."""
    promotion = text(form, "promotion", "The gift")
    return _changed(visitor, lambda cart: visitor.service.decline_gift(cart, promotion), "Gift declined.")


@router.post("/address")
def set_address(visitor: Shopper, form: Form) -> Response:
    """Set the shipping address."""
    country = text(form, "country", "The country")
    parts = [optional_text(form, name, label) or None for name, label in _PARTS]
    address = Address(country, *parts)
    return _changed(visitor, lambda cart: visitor.service.set_address(cart, address), "Address saved.")


@router.post("/shipping")
def choose_shipping(visitor: Shopper, form: Form) -> Response:
    """Choose one of the shipping methods that the cart's page offers."""
    rule = text(form, "rule", "The way to ship")
    offers = visitor.require_cart().priced.shipping_offers
    if rule not in {offer.rule.id for offer in offers}:
        raise PageError(422, "The way to ship is not valid", "It is not offered for this cart.")
    return _changed(visitor, lambda cart: visitor.service.choose_shipping(cart, rule), "Shipping chosen.")


def quantity(form: Form) -> int:
    """The units of a form. Raises PageError for a missing or negative number and one above the shop's maximum."""
    units = number(form, "quantity", "The quantity")
    if not 1 <= units <= MOST:
        raise PageError(
            422,
            "The quantity is not valid",
            f"{units} is not between 1 and {MOST}.",
            hint="To take a product out of your cart, use Remove.",
        )
    return units


def _changed(visitor: Visitor, change: Callable[[str], CartView], message: str) -> Response:
    change(visitor.require_cart().id)
    return _shown(visitor, message)


def _shown(visitor: Visitor, message: str) -> Response:
    session.say(visitor.request, message)
    return RedirectResponse(f"/shop/{visitor.shop.id}/cart", SEE_OTHER)
