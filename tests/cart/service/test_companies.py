"""D12: whatever a call of the service is given of another company's, it is not found, and nothing is changed."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from cartctl.cart.analytics import Period
from cartctl.cart.errors import NotFound
from cartctl.cart.lifecycle.lists import Wish
from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.service.lines import NewLine
from cartctl.cart.service.lists import ListOwner
from cartctl.cart.service.service import CartService
from tests.cart.store.shop import HOUR, NOW, Shop


@dataclass(frozen=True, slots=True)
class Theirs:
    """What the shop has: a guest's cart with its line, token and session, and an order."""

    cart: str
    line: str
    token: str
    session: str
    order: str


MUG, EVES = NewLine("mug", Decimal(20)), NewLine("eves", Decimal(20))
TOTAL = AgreedTotal(Decimal(22), "USD")
ADA, EVE = ListOwner(customer_id="ada"), ListOwner(customer_id="eve")

CALLS: dict[str, Callable[[CartService, Theirs], object]] = {
    "open_cart": lambda s, its: s.open_cart("USD", customer_id="ada"),
    "find_by_token": lambda s, its: s.find_by_token(its.token),
    "get_cart": lambda s, its: s.get_cart(its.cart),
    "components": lambda s, its: s.components(its.cart),
    "price": lambda s, its: s.price(its.cart),
    "add_line": lambda s, its: s.add_line(its.cart, EVES),
    "change_quantity": lambda s, its: s.change_quantity(its.cart, its.line, 2),
    "remove_line": lambda s, its: s.remove_line(its.cart, its.line),
    "save_for_later": lambda s, its: s.save_for_later(its.cart, its.line),
    "move_to_cart": lambda s, its: s.move_to_cart(its.cart, EVES),
    "apply_code": lambda s, its: s.apply_code(its.cart, "TEN"),
    "remove_code": lambda s, its: s.remove_code(its.cart, "TEN"),
    "decline_gift": lambda s, its: s.decline_gift(its.cart, "ten"),
    "set_address": lambda s, its: s.set_address(its.cart, Address("US", "CA")),
    "choose_shipping": lambda s, its: s.choose_shipping(its.cart, "free"),
    "merge": lambda s, its: s.merge(its.cart, its.token, "eve"),
    "merge_lists": lambda s, its: s.merge_lists(its.token, "ada"),
    "hand_over": lambda s, its: s.hand_over(its.cart),
    "continue_session": lambda s, its: s.continue_session(its.session),
    "end_session": lambda s, its: s.end_session(its.session),
    "abandon": lambda s, its: s.abandon(its.cart, after=timedelta(0)),
    "recover": lambda s, its: s.recover(its.cart),
    "start_payment": lambda s, its: s.start_payment(its.cart, "p", TOTAL),
    "end_payment": lambda s, its: s.end_payment(its.cart, "p"),
    "saved_items": lambda s, its: s.saved_items(its.cart),
    "convert": lambda s, its: s.convert(its.cart, "o", TOTAL),
    "cancel": lambda s, its: s.cancel(its.order),
    "wishes": lambda s, its: s.wishes(ADA),
    "add_wish": lambda s, its: s.add_wish(EVE, Wish("mug")),
    "remove_wish": lambda s, its: s.remove_wish(ADA, "mug"),
    "compared": lambda s, its: s.compared(ADA),
    "add_compared": lambda s, its: s.add_compared(EVE, "mug"),
    "remove_compared": lambda s, its: s.remove_compared(ADA, "mug"),
}
OF_THE_COMPANY = {"stats", "unsold_lines"}  # given no id: they show the service's own company alone


def sell(service: CartService, shop: Shop) -> Theirs:
    """An order, a guest's cart with a code, and a customer's lists."""
    shop.promotion("ten")
    sold = service.add_line(service.open_cart("USD", customer_id="ben").id, MUG)
    sold = service.set_address(sold.id, Address("US", "CA"))
    order = service.convert(sold.id, "theirs", sold.agreed).order_id
    cart = service.add_line(service.open_cart("USD").id, MUG)
    service.set_address(cart.id, Address("US", "CA"))
    service.apply_code(cart.id, "TEN")
    service.add_wish(ADA, Wish("mug"))
    service.add_compared(ADA, "mug")
    token = cart.session_token or ""
    return Theirs(cart.id, cart.items[0].id, token, service.hand_over(cart.id), order)


def world(shop: Shop) -> list[object]:
    """Every row that a call could change."""
    tables = (
        "carts cart_items saved_cart_items cart_promotions promotions promotion_usages cross_site_sessions"
    )
    lists = "wishlists wishlist_items product_comparisons product_comparison_items"
    return [shop.all(f"SELECT * FROM {name} ORDER BY id") for name in (tables + " " + lists).split()]


def _refused(call: Callable[[CartService, Theirs], object], service: CartService, theirs: Theirs) -> bool:
    try:
        call(service, theirs)
    except NotFound:
        return True
    return False


def test_every_call_knows_its_company_alone(service: CartService, shop: Shop) -> None:
    """Each call of another company's service, with the shop's ids and tokens, ends with NOT_FOUND and changes no row."""
    calls = {name for name, _ in inspect.getmembers(CartService, callable) if not name.startswith("_")}
    assert calls == CALLS.keys() | OF_THE_COMPANY
    theirs, other = sell(service, shop), CartService(shop.engine, "other", clock=lambda: NOW)
    before = world(shop)
    for name, call in CALLS.items():
        assert _refused(call, other, theirs), name
        assert world(shop) == before, name


def test_figures_are_the_companys_own(service: CartService, shop: Shop) -> None:
    """A company without carts has none in its figures, whatever others have."""
    sell(service, shop)
    period = Period(NOW - HOUR, NOW + HOUR)
    other = CartService(shop.engine, "other", clock=lambda: NOW)
    assert (other.stats(period).total, other.stats(period).overviews, other.unsold_lines(period)) == (
        0,
        [],
        (),
    )
    assert service.stats(period).total == 2
