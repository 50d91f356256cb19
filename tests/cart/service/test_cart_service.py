"""The service: what each call does, and what it refuses by name (D1 to D12), on a real PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import create_engine

from cartctl.cart.analytics import Period
from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.errors import (
    CartError,
    CartNotActive,
    CurrencyMismatch,
    GiftFixed,
    InputError,
    KeyReused,
    ListFull,
    MergeRefused,
    NotFound,
    OutOfRange,
    PaymentInFlight,
    SchemaUnsupported,
    SessionNotActive,
    TransitionInvalid,
    VersionConflict,
)
from cartctl.cart.lifecycle.lists import Compared, Wish
from cartctl.cart.lifecycle.merge import Quantities
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.service.changes import CartView
from cartctl.cart.service.interoperability import missing_features
from cartctl.cart.service.lines import NewLine
from cartctl.cart.service.lists import ListOwner
from cartctl.cart.service.service import CartService
from cartctl.cart.store.loading import PricingTerms
from tests.cart.store.shop import HOUR, NOW, Shop

MUG = NewLine("mug", Decimal(20), snapshot={"name": "Mug", "category": "kitchen"})
US = Address("US", "CA")
ADA = ListOwner(customer_id="ada")


def filled(service: CartService, **given: Any) -> CartView:
    """A cart with a mug, shipped to the US."""
    cart = service.open_cart("USD", **given)
    service.set_address(cart.id, US)
    return service.add_line(cart.id, MUG)


def test_a_purchase_from_opening_to_stats(service: CartService, shop: Shop) -> None:
    """A guest fills a cart with a code, logs in, pays and buys; the figures have the order until it is cancelled."""
    shop.promotion("ten")
    cart = filled(service)
    cart = service.apply_code(cart.id, " ten ")
    assert (cart.agreed.amount, cart.quote.discount_total) == (Decimal("19.80"), Decimal("2.00"))
    mine, warnings = service.merge(cart.id, cart.session_token or "", "ada")
    assert (mine.id, mine.cart.customer_id, warnings) == (cart.id, "ada", ())
    assert mine.session_token not in {None, cart.session_token}
    service.start_payment(cart.id, "pay-1", mine.agreed)
    order = service.convert(cart.id, "order-1", mine.agreed)
    assert (order.grand_total, order.currency, len(order.lines)) == (Decimal("19.80"), "USD", 1)
    assert service.convert(cart.id, "order-1", mine.agreed).replayed
    period = Period(NOW - HOUR, NOW + HOUR)
    assert service.stats(period).values == {"USD": Decimal("19.80")}
    service.cancel("order-1")
    assert service.stats(period).values == {"USD": Decimal("0.00")}
    assert shop.one('SELECT "currentUses" FROM promotions') == 0


def test_carts_are_found_again(service: CartService, shop: Shop) -> None:
    """A guest's by the token, a customer's by currency and type of site; an ended cart is followed by a new one."""
    guest = service.open_cart("USD")
    assert service.open_cart("USD", session_token=guest.session_token).id == guest.id
    assert service.find_by_token(guest.session_token or "").id == guest.id
    invented = service.open_cart("USD", session_token="invented")
    assert invented.session_token not in {"invented", None}
    mine = service.open_cart("USD", customer_id="ada")
    assert service.open_cart("USD", customer_id="ada").id == mine.id
    funnel = service.open_cart("USD", customer_id="ada", site_type=SiteType.FUNNEL)
    assert len({mine.id, funnel.id, service.open_cart("EUR", customer_id="ada").id}) == 3
    shop.run("UPDATE carts SET status = 'EXPIRED'")
    assert service.open_cart("USD", customer_id="ada").id != mine.id
    assert service.open_cart("USD", session_token=guest.session_token).id != guest.id


def test_lines_are_added_changed_and_removed(service: CartService, shop: Shop) -> None:
    """The same line again adds units; other fields make another line; the cart's totals and count are written."""
    cart = filled(service)
    cart = service.add_line(cart.id, replace(MUG, quantity=2))
    assert [item.quantity for item in cart.items] == [3]
    cart = service.add_line(cart.id, replace(MUG, gift_message="For you"))
    assert [item.quantity for item in cart.items] == [3, 1]
    assert shop.all('SELECT "itemCount", subtotal, "taxTotal", "grandTotal" FROM carts') == [
        (4, Decimal("80.00"), Decimal("8.00"), Decimal("88.00"))
    ]
    cart = service.change_quantity(cart.id, cart.items[0].id, 1)
    cart = service.change_quantity(cart.id, cart.items[1].id, 0)
    assert [item.quantity for item in cart.items] == [1]
    cart = service.remove_line(cart.id, cart.items[0].id)
    assert (cart.items, cart.cart.item_count, shop.one('SELECT "grandTotal" FROM carts')) == ((), 0, 0)


def test_a_key_adds_once(service: CartService, shop: Shop) -> None:
    """A request that is sent again adds nothing again, also after other changes; with other content it is refused."""
    cart = filled(service)
    for _ in range(3):
        service.add_line(cart.id, MUG, key="a")
    assert service.get_cart(cart.id).items[0].quantity == 2
    with pytest.raises(KeyReused):
        service.add_line(cart.id, replace(MUG, quantity=2), key="a")
    for number in range(60):
        service.add_line(cart.id, MUG, key=f"k{number}")
    assert shop.one("SELECT jsonb_array_length(metadata -> 'requests') FROM carts") == 50
    with pytest.raises(InputError):
        service.add_line(cart.id, MUG, key="x" * 201)


def test_a_version_that_was_not_seen_is_refused(service: CartService) -> None:
    """Optimistic: whoever has seen an older version is asked to read the cart again; without a version the last one wins."""
    cart = filled(service)
    newer = service.add_line(cart.id, MUG, version=cart.version)
    assert newer.version == cart.version + 1 == service.get_cart(cart.id).version
    with pytest.raises(VersionConflict):
        service.add_line(cart.id, MUG, version=cart.version)
    service.add_line(cart.id, MUG)


WRITES: tuple[Callable[[CartService, str, str], object], ...] = (
    lambda s, cart, line: s.add_line(cart, MUG),
    lambda s, cart, line: s.change_quantity(cart, line, 2),
    lambda s, cart, line: s.remove_line(cart, line),
    lambda s, cart, line: s.save_for_later(cart, line),
    lambda s, cart, line: s.move_to_cart(cart, MUG),
    lambda s, cart, line: s.apply_code(cart, "TEN"),
    lambda s, cart, line: s.remove_code(cart, "TEN"),
    lambda s, cart, line: s.decline_gift(cart, "ten"),
    lambda s, cart, line: s.set_address(cart, US),
    lambda s, cart, line: s.choose_shipping(cart, "free"),
    lambda s, cart, line: s.merge(cart, "t", "ada"),
    lambda s, cart, line: s.abandon(cart),
    lambda s, cart, line: s.recover(cart),
)


@pytest.mark.parametrize("number", range(len(WRITES)))
def test_no_change_gets_through_where_none_is_allowed(service: CartService, shop: Shop, number: int) -> None:
    """Each change is refused for a cart that is paid for, has ended or is another company's, and leaves no trace."""
    write = WRITES[number]
    shop.promotion("ten")
    cart = filled(service)
    line, token = cart.items[0].id, cart.session_token
    shop.run(f"UPDATE carts SET \"sessionToken\" = 't' WHERE \"sessionToken\" = '{token}'")
    service.start_payment(cart.id, "p", cart.agreed)
    before = shop.all("SELECT * FROM carts"), shop.all("SELECT * FROM cart_items")
    with pytest.raises(PaymentInFlight):
        write(service, cart.id, line)
    with pytest.raises(NotFound):
        write(CartService(shop.engine, "other", clock=lambda: NOW), cart.id, line)
    assert (shop.all("SELECT * FROM carts"), shop.all("SELECT * FROM cart_items")) == before
    service.end_payment(cart.id, "p")
    for status in ("CONVERTED", "MERGED", "EXPIRED"):
        shop.run(f"UPDATE carts SET status = '{status}'")
        with pytest.raises(CartNotActive):
            write(service, cart.id, line)
        with pytest.raises(CartNotActive):
            service.start_payment(cart.id, "p", cart.agreed)


def test_lines_are_saved_for_later(service: CartService, shop: Shop) -> None:
    """A saved line leaves the price; it comes back in its quantity, at the price of that day."""
    cart = filled(service)
    cart = service.add_line(cart.id, MUG)
    cart = service.save_for_later(cart.id, cart.items[0].id)
    assert (cart.items, cart.agreed.amount) == ((), Decimal("0.00"))
    cart = service.add_line(cart.id, MUG)
    service.save_for_later(cart.id, cart.items[0].id)
    assert shop.all('SELECT quantity, "priceAtSave" FROM saved_cart_items') == [(3, Decimal("20.00"))]
    cart = service.move_to_cart(cart.id, replace(MUG, unit_price=Decimal(25)))
    assert [(item.quantity, item.unit_price) for item in cart.items] == [(3, Decimal(25))]
    with pytest.raises(NotFound):
        service.move_to_cart(cart.id, MUG)


def test_lists(service: CartService, shop: Shop) -> None:
    """A wishlist and a comparison of a customer or a guest, with nothing on it twice."""
    guest = ListOwner(session_token="t")
    for owner in (ADA, guest):
        assert service.wishes(owner) == ()
        service.add_wish(owner, Wish("mug"))
        assert service.add_wish(owner, Wish("mug", notes="blue", priority=1)) == (
            Wish("mug", None, 1, "blue"),
        )
        assert service.compared(owner) == ()
        service.add_compared(owner, "mug")
        assert service.add_compared(owner, "mug") == (Compared("mug"),)
    assert shop.all('SELECT "itemCount" FROM wishlists') == [(1,), (1,)]
    assert service.remove_wish(ADA, "mug") == ()
    assert service.remove_compared(ADA, "mug") == ()
    with pytest.raises(NotFound):
        service.remove_wish(ADA, "mug")
    for variant in "abcd":
        service.add_compared(ADA, "mug", variant_id=variant)
    with pytest.raises(ListFull):
        service.add_compared(ADA, "mug", variant_id="e")
    with pytest.raises(InputError):
        ListOwner()


def test_codes_and_gifts(service: CartService, shop: Shop) -> None:
    """Codes are applied once and removed; a gift is shown, cannot be changed, and can be declined."""
    shop.promotion("ten")
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId="mug")
    cart = filled(service)
    for code in ("TEN", "ten", "GIFT"):
        cart = service.apply_code(cart.id, code)
    assert shop.one('SELECT "discountCodes" FROM carts') == ["TEN", "GIFT"]
    assert (cart.cart.item_count, cart.agreed.amount) == (2, Decimal("19.80"))
    gift = shop.one('SELECT id FROM cart_items WHERE "giftPromotionId" IS NOT NULL')
    with pytest.raises(GiftFixed):
        service.remove_line(cart.id, gift)
    assert service.decline_gift(cart.id, "gift").cart.item_count == 1
    assert shop.one("SELECT count(*) FROM cart_items") == 1
    assert service.remove_code(cart.id, "Ten").agreed.amount == Decimal("22.00")
    for call in (service.apply_code, service.remove_code):
        with pytest.raises(NotFound):
            call(cart.id, "NOPE")


def test_address_and_shipping(service: CartService, shop: Shop) -> None:
    """Unknown places are refused; the chosen rule counts while it is offered."""
    shop.insert(
        "shipping_rules",
        id="fast",
        shippingZoneId="zone",
        name="Fast",
        type="FLAT_RATE",
        baseRate=9,
        updatedAt=NOW.replace(tzinfo=None),
    )
    cart = filled(service)
    assert service.choose_shipping(cart.id, "fast").quote.shipping_total == Decimal("9.00")
    assert service.choose_shipping(cart.id, None).quote.shipping_total == Decimal("0.00")
    assert service.choose_shipping(cart.id, "gone").priced.warnings
    for address in (Address("Atlantis"), Address("US", "Bavaria")):
        with pytest.raises(InputError, match="shipTo"):
            service.set_address(cart.id, address)
    assert service.set_address(cart.id, None).priced.blocked


def test_merging_into_the_customers_cart(service: CartService, shop: Shop) -> None:
    """D9: lines, saved lines and codes come together; again it changes nothing; the guest's cart has ended."""
    shop.promotion("ten")
    mine, guest = filled(service, customer_id="ada"), filled(service)
    service.add_line(guest.id, replace(MUG, variant_id="xl"))
    service.apply_code(guest.id, "TEN")
    saved = service.add_line(guest.id, replace(MUG, variant_id="s"))
    service.save_for_later(guest.id, next(item.id for item in saved.items if item.variant_id == "s"))
    done, warnings = service.merge(guest.id, guest.session_token or "", "ada")
    assert (done.id, warnings) == (mine.id, ())
    assert sorted((item.variant_id or "", item.quantity) for item in done.items) == [("", 2), ("xl", 1)]
    assert done.agreed.amount == Decimal("59.40")
    assert shop.one(f"SELECT count(*) FROM saved_cart_items WHERE \"cartId\" = '{mine.id}'") == 1
    again, _ = service.merge(guest.id, guest.session_token or "", "ada")
    assert (again.version, again.agreed) == (done.version, done.agreed)
    assert service.get_cart(guest.id).cart.status is CartStatus.MERGED
    stranger = service.open_cart("USD")
    with pytest.raises(MergeRefused):
        service.merge(stranger.id, "guessed", "ada")
    with pytest.raises(NotFound):
        service.merge(stranger.id, stranger.session_token or "", "eve")


def test_a_guests_cart_goes_into_the_one_of_its_currency(service: CartService, shop: Shop) -> None:
    """D9: a customer has a cart for each currency; where only other ones are there, neither cart is changed."""
    dollars, guest = filled(service, customer_id="ada"), filled(service)
    later = CartService(shop.engine, "shop", clock=lambda: NOW + timedelta(minutes=1))
    euros = later.open_cart("EUR", customer_id="ada")
    later.add_line(euros.id, MUG)
    assert service.merge(guest.id, guest.session_token or "", "ada")[0].id == dollars.id
    yens = service.add_line(service.open_cart("JPY").id, MUG)
    before = shop.all("SELECT * FROM carts ORDER BY id"), shop.all("SELECT * FROM cart_items ORDER BY id")
    with pytest.raises(CurrencyMismatch):
        service.merge(yens.id, yens.session_token or "", "ada")
    assert (
        shop.all("SELECT * FROM carts ORDER BY id"),
        shop.all("SELECT * FROM cart_items ORDER BY id"),
    ) == before


@pytest.mark.parametrize(
    ("quantities", "stock", "units", "warned"),
    (
        (Quantities.SUM, 9, 5, False),
        (Quantities.SUM, 4, 4, True),
        (Quantities.MAX, 9, 3, False),
        (Quantities.KEEP, 9, 2, False),
    ),
)
def test_units_of_both_carts(
    shop: Shop, quantities: Quantities, stock: int, units: int, warned: bool
) -> None:
    """D9: added up, or the larger, or the customer's own; never more than there are, with a warning and at the new price."""
    service = CartService(shop.engine, "shop", terms=PricingTerms(stock={"mug": stock}), clock=lambda: NOW)
    mine, guest = service.open_cart("USD", customer_id="ada"), service.open_cart("USD")
    service.add_line(mine.id, replace(MUG, quantity=2))
    service.add_line(guest.id, replace(MUG, quantity=3))
    done, warnings = service.merge(guest.id, guest.session_token or "", "ada", quantities=quantities)
    assert ([item.quantity for item in done.items], bool(warnings)) == ([units], warned)
    stored = f"SELECT \"itemCount\", subtotal::int FROM carts WHERE id = '{mine.id}'"
    assert shop.all(stored) == [(units, 20 * units)]


def test_a_guests_lists_go_into_the_customers(service: CartService, shop: Shop) -> None:
    """D9: at login nothing is on a list twice, the customer's own entry stays, and what does not fit is a warning."""
    cart = filled(service)
    token = cart.session_token or ""
    guest = ListOwner(session_token=token)
    service.add_wish(guest, Wish("mug", notes="theirs"))
    service.add_wish(guest, Wish("mug", "xl", priority=1))
    service.add_wish(ADA, Wish("mug", notes="mine"))
    for owner, variants in ((ADA, "abc"), (guest, "bde")):
        for variant in variants:
            service.add_compared(owner, "mug", variant_id=variant)
    _, warnings = service.merge(cart.id, token, "ada")
    assert warnings == ("mug: the comparison is full",)
    wishes = (Wish("mug", "xl", 1), Wish("mug", notes="mine"))
    compared = tuple(Compared("mug", variant, position) for position, variant in enumerate("abcd"))
    for _ in range(2):
        assert (service.wishes(ADA), service.compared(ADA)) == (wishes, compared)
        assert (service.wishes(guest), service.compared(guest)) == ((), ())
        assert service.merge(cart.id, token, "ada")[1] == ()
        assert service.merge_lists(token, "ada") == ()
    assert shop.all('SELECT "itemCount" FROM wishlists') == [(2,)]
    ended = shop.all('SELECT "mergedAt" FROM product_comparisons WHERE "mergedIntoComparisonId" IS NOT NULL')
    assert ended == [(NOW.replace(tzinfo=None),)]


def test_a_guests_lists_become_the_customers(service: CartService, shop: Shop) -> None:
    """A customer without lists gets the guest's own, a customer's list is no guest's, and tokens are of one company."""
    guest = ListOwner(session_token="t")
    service.add_wish(guest, Wish("mug"))
    service.add_compared(guest, "mug")
    with pytest.raises(NotFound):
        service.merge_lists("t", "eve")
    with pytest.raises(InputError, match=r"owner\.sessionToken: this token belongs to another company"):
        CartService(shop.engine, "other").add_wish(guest, Wish("eves"))
    assert service.merge_lists("t", "ada") == ()
    assert service.merge_lists("t", "ben") == ()
    assert (service.wishes(ADA), service.compared(ADA)) == ((Wish("mug"),), (Compared("mug"),))
    shop.run("UPDATE wishlists SET \"sessionToken\" = 't'")
    service.merge_lists("t", "ben")
    assert service.wishes(ADA) == (Wish("mug"),)


def test_a_session_hands_a_cart_over(service: CartService, shop: Shop) -> None:
    """The other site opens the cart with the session's token, until the session ends; another company does not."""
    cart = filled(service)
    token = service.hand_over(cart.id)
    assert service.continue_session(token).id == cart.id
    with pytest.raises(NotFound):
        CartService(shop.engine, "other").continue_session(token)
    service.end_session(token)
    with pytest.raises(SessionNotActive):
        service.continue_session(token)
    old = service.hand_over(cart.id)
    with pytest.raises(SessionNotActive):
        CartService(shop.engine, "shop", clock=lambda: NOW + 2 * HOUR).continue_session(old)


def test_a_guests_session_ends_at_login(service: CartService, shop: Shop) -> None:
    """D1, D9: like the token, it opens no customer's cart, adopted or merged; a customer's own session goes on."""
    adopted, merged = filled(service), filled(service)
    tokens = [service.hand_over(cart.id) for cart in (adopted, merged)]
    for cart in (adopted, merged):
        service.merge(cart.id, cart.session_token or "", "ada")
    for token in tokens * 2:
        with pytest.raises(SessionNotActive):
            service.continue_session(token)
    assert shop.all('SELECT status::text, "customerId" FROM cross_site_sessions') == [("MERGED", "ada")] * 2
    assert service.continue_session(service.hand_over(adopted.id)).id == adopted.id


@pytest.mark.parametrize(("days", "written_to"), ((6.99, True), (7, False)))
@pytest.mark.parametrize("how", ("change", "link", "payment", "login"))
def test_a_cart_that_comes_back_may_be_written_to_again(
    service: CartService, shop: Shop, how: str, days: float, written_to: bool
) -> None:
    """D1, D10: each change by the shopper makes an abandoned cart active; 7 days after its mail it may get another."""
    cart = filled(service)
    shop.run(
        f"""UPDATE carts SET status = 'ABANDONED', "abandonedAt" = "lastActivityAt", "recoveryEmailSent" = true,
            "recoveryEmailSentAt" = '{NOW - timedelta(days=days):%Y-%m-%d %H:%M:%S}'"""
    )
    calls: dict[str, Callable[[], object]] = {
        "change": lambda: service.add_line(cart.id, MUG),
        "link": lambda: service.recover(cart.id),
        "payment": lambda: service.start_payment(cart.id, "p", cart.agreed),
        "login": lambda: service.merge(cart.id, cart.session_token or "", "ada"),
    }
    calls[how]()
    seen = shop.all('SELECT status::text, "recoveryEmailSent", "abandonedAt" IS NULL FROM carts')
    assert seen == [("ACTIVE", written_to, False)]


def test_a_cart_is_left_and_comes_back(service: CartService, shop: Shop) -> None:
    """D1: abandoned after an hour, active again by the mail's link, which is counted."""
    cart = filled(service)
    with pytest.raises(TransitionInvalid):
        service.abandon(cart.id)
    later = CartService(shop.engine, "shop", clock=lambda: NOW + HOUR)
    assert later.abandon(cart.id).cart.status is CartStatus.ABANDONED
    assert later.recover(cart.id).cart.status is CartStatus.ACTIVE
    assert shop.all('SELECT "recoveryClicks", status::text FROM carts') == [(1, "ACTIVE")]


def test_what_is_saved_is_read_by_its_company_alone(service: CartService, shop: Shop) -> None:
    """In the order it was saved; another company's cart is not found."""
    cart = filled(service)
    view = service.save_for_later(cart.id, cart.items[0].id)
    [item] = service.saved_items(view.id)
    assert (item.product_id, item.quantity) == (cart.items[0].product_id, cart.items[0].quantity)
    with pytest.raises(NotFound):
        CartService(shop.engine, "another").saved_items(cart.id)


def test_a_link_of_one_abandonment_works_once(service: CartService, shop: Shop) -> None:
    """With `abandoned_at` neither a second click nor a link of an earlier abandonment changes anything."""
    cart = filled(service)
    later = CartService(shop.engine, "shop", clock=lambda: NOW + HOUR)
    first = later.abandon(cart.id).cart.abandoned_at
    assert later.recover(cart.id, abandoned_at=first).cart.status is CartStatus.ACTIVE
    much_later = CartService(shop.engine, "shop", clock=lambda: NOW + 3 * HOUR)
    with pytest.raises(TransitionInvalid):
        much_later.recover(cart.id, abandoned_at=first)
    second = much_later.abandon(cart.id).cart.abandoned_at
    with pytest.raises(TransitionInvalid):
        much_later.recover(cart.id, abandoned_at=first)
    assert shop.all('SELECT "recoveryClicks", status::text FROM carts') == [(1, "ABANDONED")]
    assert much_later.recover(cart.id, abandoned_at=second).cart.recovery_clicks == 1


@pytest.mark.parametrize(
    ("line", "why"),
    (
        (replace(MUG, quantity=0), OutOfRange),
        (replace(MUG, quantity=2**31), OutOfRange),
        (replace(MUG, unit_price=Decimal(-1)), OutOfRange),
        (replace(MUG, unit_price=Decimal("NaN")), OutOfRange),
        (replace(MUG, unit_price=Decimal(10**10)), OutOfRange),
        (replace(MUG, unit_price=Decimal("0.001")), InputError),
        (replace(MUG, unit_price=Decimal(5 * 10**9), quantity=2), OutOfRange),
        (replace(MUG, product_id="none"), NotFound),
        (replace(MUG, product_id="eves"), NotFound),
        (replace(MUG, product_id="a\0"), InputError),
        (replace(MUG, snapshot={"name": "a\0"}), InputError),
        (replace(MUG, custom_fields={"x": object()}), InputError),
    ),
)
def test_what_cannot_be_added_is_refused_by_name(
    service: CartService, shop: Shop, line: NewLine, why: type[CartError]
) -> None:
    """Numbers beyond the columns, unknown and foreign products, text that cannot be stored: never the driver's error."""
    cart = service.open_cart("USD")
    with pytest.raises(why):
        service.add_line(cart.id, line)
    assert shop.one("SELECT count(*) FROM cart_items") == 0
    assert shop.one("SELECT version FROM carts") == 0


def test_any_text_that_postgresql_stores_is_stored(service: CartService, shop: Shop) -> None:
    """Characters beyond the first plane, and backslashes that only look like an escaped NUL, in every field of a line."""
    cart = service.open_cart("USD")
    text = "\N{GRINNING FACE} \\u0000 \\ud83d"
    line = replace(MUG, custom_fields={"engraving": text}, snapshot={"name": text}, gift_message=text)
    assert service.add_line(cart.id, line).items[0].custom_fields == {"engraving": text}
    stored = 'SELECT "customFields" ->> \'engraving\', "productSnapshot" ->> \'name\', "giftMessage" FROM cart_items'
    assert shop.all(stored) == [(text, text, text)]
    for half in ("\ud83d", "\\\0"):
        with pytest.raises(InputError, match="cannot be stored"):
            service.add_line(cart.id, replace(MUG, custom_fields={"engraving": half}))


def test_units_that_add_up_beyond_the_column_are_refused(service: CartService) -> None:
    """The sum of two additions is bounded as each of them is."""
    cart = service.open_cart("USD")
    service.add_line(cart.id, replace(MUG, unit_price=Decimal(0), quantity=2**31 - 1))
    with pytest.raises(OutOfRange):
        service.add_line(cart.id, replace(MUG, unit_price=Decimal(0)))


def test_an_asynchronous_application_uses_threads(service: CartService) -> None:
    """Calls run beside each other in threads of an event loop; none of them is lost."""
    cart = filled(service)

    async def add() -> None:
        await asyncio.gather(*(asyncio.to_thread(service.add_line, cart.id, MUG) for _ in range(8)))

    asyncio.run(add())
    assert service.get_cart(cart.id).items[0].quantity == 9


def test_errors_have_their_names_on_an_engine_of_the_applications_own(shop: Shop) -> None:
    """SQLAlchemy wraps what the driver raises, unless the engine is from `connect` or `over`."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: shop.database.connect("tests"))
    service = CartService(engine, "shop", clock=lambda: NOW)
    assert service.open_cart("USD").items == ()
    shop.run('ALTER TABLE carts DROP COLUMN "siteType"')
    with pytest.raises(SchemaUnsupported, match="siteType"):
        service.open_cart("USD")
    shop.run("ALTER TABLE carts RENAME TO gone")
    with pytest.raises(SchemaUnsupported) as missing:
        service.open_cart("USD")
    assert missing.value.hint == "Create the tables with: cartctl migrate deploy."
    engine.dispose()


def test_own_tables_lack_nothing(service: CartService, shop: Shop) -> None:
    """On tables that cartctl made everything works."""
    assert missing_features(shop.engine) == ()


def test_what_does_not_work_on_other_tables_is_stated(service: CartService, shop: Shop) -> None:
    """Tables of another application: each thing that is missing is listed with its consequence, and calls fail by name."""
    cart = filled(service)
    shop.run(
        """ALTER TABLE carts DROP COLUMN "siteType", ALTER subtotal TYPE NUMERIC(10,2);
           ALTER TABLE cart_promotions DROP CONSTRAINT "cart_promotions_cartId_fkey",
                                       DROP CONSTRAINT "cart_promotions_promotionId_fkey";
           DROP INDEX "promotions_companyId_upper_btrim_code_key" """
        if shop.one("SELECT to_regclass('\"promotions_companyId_upper_btrim_code_key\"') IS NOT NULL")
        else """ALTER TABLE carts DROP COLUMN "siteType", ALTER subtotal TYPE NUMERIC(10,2);
           ALTER TABLE cart_promotions DROP CONSTRAINT "cart_promotions_cartId_fkey",
                                       DROP CONSTRAINT "cart_promotions_promotionId_fkey" """
    )
    lacking = [feature.lacks for feature in missing_features(shop.engine)]
    assert lacking[:4] == [
        "column carts.siteType",
        "digits: carts.subtotal is numeric(10,2)",
        "foreign key from cart_promotions to carts",
        "foreign key from cart_promotions to promotions",
    ]
    with pytest.raises(SchemaUnsupported, match="siteType"):
        service.add_line(cart.id, MUG)


def test_a_guest_cart_that_was_abandoned_is_merged(service: CartService, shop: Shop) -> None:
    """Whoever logs in has come back: an abandoned guest's cart is merged as an active one."""
    guest = filled(service)
    shop.run("UPDATE carts SET status = 'ABANDONED', \"abandonedAt\" = now()")
    done, _ = service.merge(guest.id, guest.session_token or "", "ada")
    assert (done.cart.status, done.cart.customer_id) == (CartStatus.ACTIVE, "ada")
    assert shop.one("SELECT status::text FROM carts") == "ACTIVE"


def test_pricing_is_no_activity(service: CartService, shop: Shop) -> None:
    """D1: a price that is shown does not keep a cart alive; what it shows is what conversion compares with."""
    shop.promotion("ten", expiresAt=(NOW + timedelta(minutes=1)).replace(tzinfo=None))
    cart = filled(service)
    service.apply_code(cart.id, "TEN")
    before = shop.one('SELECT "lastActivityAt" FROM carts')
    later = CartService(shop.engine, "shop", clock=lambda: NOW + HOUR)
    assert later.price(cart.id).agreed.amount == Decimal("22.00")
    assert shop.one('SELECT "lastActivityAt" FROM carts') == before
    assert shop.one('SELECT "discountAmount" FROM cart_promotions') == 0
