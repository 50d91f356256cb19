"""The shop's pages, as a browser without scripts uses them: from an empty cart to an order, and everything that is refused."""

import json
import re
from pathlib import Path

from cartctl.adapters.postgres import Postgres
from tests.sandbox.browsing import Browser
from tests.sandbox.served import write_flags
from tests.sandbox.shop_data import CARTS
from tests.sandbox.shop_fixture import set_clock

SHOP = "/shop/avnz"


def abandon(migrated: Postgres) -> None:
    """Abandon the carts there are, as the job does an hour after their last change."""
    with migrated.session("test") as connection:
        connection.execute(
            """UPDATE carts SET status = 'ABANDONED', "abandonedAt" = "lastActivityAt" + interval '1 hour'
               WHERE status = 'ACTIVE'"""
        )


def rows(migrated: Postgres, query: str) -> list[tuple[object, ...]]:
    """What a query gives."""
    with migrated.session("test") as connection:
        return list(connection.execute(query.encode()).fetchall())


def filled(url: str) -> Browser:
    """A guest with a kettle in the cart."""
    guest = Browser(url)
    guest.open(SHOP)
    guest.submit("/cart/add", product="avnz-kettle")
    return guest


def test_from_products_to_an_order(url: str, migrated: Postgres) -> None:
    """Lines, quantity, save for later, a code, an address, shipping; the total shown is the total of the order."""
    guest = filled(url)
    assert "Kettle" in guest.body
    assert "$40.00" in guest.body
    guest.submit("/cart/quantity", quantity="2")
    assert "$80.00" in guest.body
    guest.submit("/cart/code", code=" ten ")
    assert "TEN applied." in guest.body
    guest.submit("/cart/address", country="US", state="NY", city="New York", postal_code="10001")
    assert "Standard, $5.00" in guest.body
    guest.submit("/cart/shipping", rule="express")
    guest.submit("/cart/save")
    assert "Nothing in it." in guest.body
    assert "Saved for later" in guest.body
    guest.submit("/cart/move")
    guest.open(f"{SHOP}/checkout")
    total = re.search(r"Pay (\$[\d.]+)", guest.body)
    assert total
    guest.submit("/checkout")
    assert 'data-page="order"' in guest.body
    assert total[1] in guest.body
    assert rows(
        migrated,
        "SELECT total::text, status FROM orders WHERE length(id) > 30",
    ) == [(total[1][1:], "PENDING")]
    assert rows(migrated, "SELECT stock FROM products WHERE id = 'avnz-kettle'") == [(2,)]
    assert "Your cart is empty" in guest.open(f"{SHOP}/cart").body


def test_a_code_in_another_form_is_the_same_code(url: str) -> None:
    """Typed in full width, a code that gives nothing says why, as in plain letters."""
    guest = filled(url)
    guest.submit("/cart/code", code=" \uff42\uff49\uff47 ")
    assert "BIG gives no discount now" in guest.body


def test_sign_in_merges_the_guests_cart(url: str, migrated: Postgres) -> None:
    """Units are added up in the customer's cart; signing out leaves nothing behind."""
    first = filled(url)
    first.open(f"{SHOP}/sign-in")
    first.submit("/sign-in", token="token-ada")
    assert "Welcome, Ada Okafor. Your cart is now in your account." in first.body
    second = filled(url)
    second.open(f"{SHOP}/sign-in")
    second.submit("/sign-in", token="token-ada")
    assert "Your cart has been merged." in second.body
    assert 'name="quantity" value="2"' in second.body
    statuses = rows(migrated, 'SELECT status::text, "customerId" FROM carts ORDER BY status')
    assert statuses == [("ACTIVE", "avnz-ada"), ("MERGED", None)]
    second.submit("/sign-out")
    assert "Kettle" not in second.open(f"{SHOP}/cart").body


def test_a_funnels_cart_is_handed_over_once(url: str, migrated: Postgres) -> None:
    """The offer starts a cart of type FUNNEL; its session opens it in the shop, once."""
    guest = Browser(url)
    guest.open(f"{SHOP}/funnel")
    guest.submit("/funnel")
    before = guest.fields("/continue")
    guest.submit("/continue")
    assert 'data-page="cart"' in guest.body
    assert rows(migrated, 'SELECT "siteType"::text, "itemCount" FROM carts') == [("FUNNEL", 1)]
    again = guest.post(f"{SHOP}/continue", **before)
    assert (again.status, "Nothing was changed" in again.body) == (409, True)


def test_a_recovery_link_works_once_and_only_by_its_form(url: str, migrated: Postgres) -> None:
    """GET changes nothing however often; the form opens the cart; old, used and forged links say so."""
    filled(url)
    abandon(migrated)
    admin = Browser(url, token="token-avnz")
    [(cart,)] = rows(migrated, "SELECT id FROM carts")
    link = re.search(r"/shop/avnz/recover/[^<]*", admin.open(f"/carts/{cart}").body)
    assert link
    state = 'SELECT status::text, version, "recoveryClicks", "lastActivityAt" FROM carts'
    before = rows(migrated, state)
    scanner = Browser(url)
    for _ in range(3):
        assert 'data-page="recover"' in scanner.open(link[0]).body
    assert rows(migrated, state) == before
    shopper = Browser(url)
    shopper.open(link[0])
    fields = shopper.fields("/recover/")
    shopper.submit("/recover/")
    assert "Welcome back" in shopper.body
    assert "Kettle" in shopper.body
    [(status, _, clicks, _)] = rows(migrated, state)
    assert (status, clicks) == ("ACTIVE", 1)
    assert scanner.open(link[0]).status == 410
    assert shopper.post(link[0], **fields).status == 410
    assert rows(migrated, 'SELECT "recoveryClicks" FROM carts') == [(1,)]


def test_components_show_only_what_is_true(url: str, directory: Path, migrated: Postgres) -> None:
    """Urgency, scarcity, free shipping and upsell follow the data, and are not there without it."""
    with migrated.session("test") as connection:
        connection.execute(CARTS)
    guest = filled(url)
    for shown in ('"scarcity-badge">Only 4 left', '"cart-upsell"', "Lamp", "$60.00 more for free shipping"):
        assert shown in guest.body, shown
    assert "urgency-timer" not in guest.body
    guest.submit("/cart/code", code="SOON")
    assert re.search(r"Your discount SOON ends in <strong data-ends=\"\d+\">1 h \d+ min", guest.body)
    set_clock(directory, 3)
    assert "urgency-timer" not in guest.open(f"{SHOP}/cart").body
    with migrated.session("test") as connection:
        connection.execute(
            'UPDATE products SET stock = 100; UPDATE shipping_rules SET "freeShippingThreshold" = NULL'
        )
        connection.execute("DELETE FROM cart_items WHERE \"cartId\" = 'sold'")
    body = guest.open(f"{SHOP}/cart").body
    assert "data-component" not in body


def test_flags_and_maintenance(url: str, directory: Path) -> None:
    """Without its feature the portal's cart is not there; recovery links need theirs; maintenance sends shoppers away."""
    guest = filled(url)
    write_flags(directory, FEATURE_CART_MANAGEMENT=False)
    products = guest.open(SHOP)
    assert (products.status, "Add to cart" in products.body, "/cart" in products.body) == (200, False, False)
    for path in ("/cart", "/checkout", "/funnel", "/sign-in"):
        refused = guest.open(f"{SHOP}{path}")
        assert (refused.status, "feature_disabled" in refused.body) == (404, True)
    write_flags(directory, FEATURE_ABANDONED_CART_RECOVERY=False)
    assert "feature_disabled" in guest.open(f"{SHOP}/recover/x").body
    write_flags(directory)
    mode = directory / "config" / "cart-runtime" / "MAINTENANCE"
    mode.parent.mkdir(parents=True, exist_ok=True)
    mode.write_text(json.dumps({"on": True, "until": "2999-01-01T00:00:00Z"}), encoding="utf-8")
    closed = guest.open(SHOP)
    assert (closed.status, closed.headers["retry-after"]) == (503, "1")
    assert Browser(url, token="token-avnz").open(SHOP).status == 200
