"""What pages and API refuse says what is wrong, and changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from tests.sandbox.browsing import Browser
from tests.sandbox.served import served, write_flags, write_tokens
from tests.sandbox.shop_data import fill_shop

SHOP = "/shop/avnz"
LONG = "x" * 300
TABLES = (
    "carts",
    "cart_items",
    "saved_cart_items",
    "cart_promotions",
    "cross_site_sessions",
    "orders",
    "products",
)


class Old(TimestampSigner):
    """Signs as if it were four days ago."""

    def get_timestamp(self) -> int:
        """Seconds."""
        return super().get_timestamp() - 4 * 24 * 3600


@pytest.fixture
def url(tmp_path: Path, migrated: Postgres) -> Iterator[str]:
    """A shop; its key is known."""
    write_tokens(tmp_path, "avnz", "harbor-goods")
    write_flags(tmp_path)
    fill_shop(migrated)
    (tmp_path / "pages.key").write_text("known", encoding="utf-8")
    with served(tmp_path, migrated, "web") as address:
        yield address


def contents(migrated: Postgres) -> list[object]:
    """Everything in the tables that a request could change."""
    with migrated.session("test") as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY id".encode()).fetchall() for table in TABLES
        ]


def shopper(url: str) -> Browser:
    """A guest with two units of a product."""
    guest = Browser(url)
    guest.open(SHOP)
    guest.submit("/cart/add", product="avnz-kettle", quantity="2")
    return guest


REFUSED = (  # what is sent to which form of the cart, and the status and words of the page
    *(
        ("/cart/add", {"product": "avnz-kettle", "quantity": q}, 422, "The quantity is not valid")
        for q in ("0", "-1", "1000000000", "1e400", "1.5", "", "९", "9" * 400)
    ),
    *(
        ("/cart/quantity", {"quantity": q}, 422, "The quantity is not valid")
        for q in ("0", "-1", "1000000000", "1e400", "NaN")
    ),
    ("/cart/add", {"product": LONG}, 422, "The product is not valid"),
    ("/cart/add", {"product": "harbor-goods-kettle"}, 404, "not found in this shop"),
    ("/cart/add", {"product": "a\0b"}, 422, "The product is not valid"),
    ("/cart/code", {"code": LONG}, 422, "The code is not valid"),
    ("/cart/code", {"code": "NONE"}, 404, "NONE"),
    ("/cart/code", {"code": "ÄÖ"}, 422, "code"),
    ("/cart/address", {"country": "Atlantis"}, 422, "Atlantis"),
    ("/cart/address", {"country": LONG}, 422, "The country is not valid"),
    ("/cart/address", {"country": "US", "state": LONG}, 422, "The state is not valid"),
    ("/cart/address", {"country": "US", "city": LONG}, 422, "The city is not valid"),
    ("/cart/address", {"country": "US", "postal_code": "1\0"}, 422, "The postal code is not valid"),
    ("/cart/add", {"product": "avnz-kettle", "quantity": "1", "key": LONG}, 422, "key is not valid"),
    ("/cart/add", {"product": "avnz-kettle", "quantity": "1", "key": "a\0"}, 422, "key is not valid"),
    ("/cart/quantity", {"line": LONG}, 422, "The line is not valid"),
    ("/cart/shipping", {"rule": LONG}, 422, "The way to ship is not valid"),
    ("/cart/shipping", {"rule": "none"}, 422, "It is not offered for this cart."),
    ("/funnel", {"key": LONG}, 422, "key is not valid"),
    ("/continue", {"session": LONG}, 422, "The session is not valid"),
    ("/cart/remove", {"line": "another"}, 404, "another"),
    ("/checkout", {"total": "0.01"}, 409, "0.01"),
    ("/checkout", {"total": "1e400"}, 409, "Nothing was changed"),
    ("/checkout", {"total": "NaN"}, 422, "is not an amount"),
    ("/continue", {"session": "guessed"}, 404, "Session not found."),
    ("/sign-in", {"token": "guessed"}, 401, "not the access token"),
    ("/sign-in", {"token": "token-harbor-goods"}, 401, "not the access token"),
)


def test_each_refusal_is_a_page_and_changes_nothing(url: str, migrated: Postgres) -> None:
    """Forms of the shop, with the shopper's own CSRF token."""
    guest = shopper(url)
    guest.submit("/cart/address", country="US", state="NY")
    fields = {**guest.fields("/cart/quantity"), "total": "1", "currency": "USD"}
    before = contents(migrated)
    for action, sent, status, words in REFUSED:
        answer = guest.post(f"{SHOP}{action}", **{**fields, **sent})
        assert (answer.status, words in answer.body) == (status, True), (
            action,
            sent,
            answer.status,
            answer.body,
        )
        assert "Traceback" not in answer.body
        assert contents(migrated) == before, (action, sent)


@pytest.mark.parametrize("csrf", ("", "wrong", "é", "another's"))
def test_a_form_of_another_site_changes_nothing(url: str, migrated: Postgres, csrf: str) -> None:
    """Without this browser's token every form is refused, whatever it is."""
    guest, other = shopper(url), Browser(url)
    other.open(SHOP)
    token = other.fields("/cart/add")["csrf"] if csrf == "another's" else csrf
    sent = {**guest.fields("/cart/quantity"), "csrf": token, "product": "avnz-kettle", "token": "token-ada"}
    before = contents(migrated)
    for action in (
        "cart/add",
        "cart/quantity",
        "cart/remove",
        "cart/save",
        "cart/code",
        "cart/address",
        "checkout",
        "sign-in",
        "funnel",
        "continue",
    ):
        answer = guest.post(f"{SHOP}/{action}", **sent)
        assert (answer.status, "The form is not valid" in answer.body) == (403, True), action
    admin = Browser(url, token="token-avnz")
    assert admin.post("/carts/none/recovery", csrf=token).status == 403
    assert admin.post("/sign-in", csrf=token, token="token-avnz").status == 403
    assert contents(migrated) == before


def test_forms_that_are_none(url: str, migrated: Postgres) -> None:
    """Too large, not text, too many fields."""
    guest = shopper(url)
    before = contents(migrated)
    for body, status in (
        (b"a=" + b"x" * 70_000, 413),
        (b"a=%ff", 400),
        (b"&".join(b"a=1" for _ in range(200)), 400),
        (b"", 403),
    ):
        assert guest.post_raw(f"{SHOP}/cart/add", body).status == status
    assert contents(migrated) == before


def test_links_that_are_forged_old_or_another_shops(url: str, migrated: Postgres) -> None:
    """Each says what it is, whether opened or redeemed."""
    guest = shopper(url)
    with migrated.session("test") as connection:
        connection.execute("""UPDATE carts SET status = 'ABANDONED', "abandonedAt" = '2026-01-01'""")
        [(cart,)] = connection.execute("SELECT id FROM carts").fetchall()
    good = URLSafeTimedSerializer("known", salt="recovery:avnz")
    aged = URLSafeTimedSerializer("known", salt="recovery:avnz", signer=Old)
    payload = [cart, "2026-01-01T00:00:00"]
    links = (
        (
            URLSafeTimedSerializer("guessed", salt="recovery:avnz").dumps(payload),
            404,
            "It was not made by this shop.",
        ),
        (
            URLSafeTimedSerializer("known", salt="recovery:harbor-goods").dumps(payload),
            404,
            "It was not made by this shop.",
        ),
        (aged.dumps(payload), 410, "This link has expired."),
        (good.dumps(["none", "2026-01-01T00:00:00"]), 404, "none"),
        (good.dumps([cart, "2025-12-31T00:00:00"]), 410, "bought or closed since"),
        ("x" * 199, 404, "It was not made by this shop."),
        (LONG, 422, "malformed or too long"),
    )
    csrf = guest.fields("/cart/quantity")["csrf"]
    before = contents(migrated)
    for link, status, words in links:
        for answer in (guest.get(f"{SHOP}/recover/{link}"), guest.post(f"{SHOP}/recover/{link}", csrf=csrf)):
            assert (answer.status, 'data-page="error"' in answer.body) == (status, True), (link, answer.body)
            assert words in answer.body, (link, answer.body)
            assert 'class="button" href="/shop/avnz/cart"' in answer.body
    assert contents(migrated) == before


def test_a_used_link(url: str, migrated: Postgres) -> None:
    """Redeemed once, it opens nothing more, for whoever has it: the cart stays as it is."""
    guest = shopper(url)
    with migrated.session("test") as connection:
        connection.execute("""UPDATE carts SET status = 'ABANDONED', "abandonedAt" = '2026-01-01'""")
        [(cart,)] = connection.execute("SELECT id FROM carts").fetchall()
    link = f"{SHOP}/recover/{URLSafeTimedSerializer('known', salt='recovery:avnz').dumps([cart, '2026-01-01T00:00:00'])}"
    csrf = guest.fields("/cart/quantity")["csrf"]
    assert guest.post(link, csrf=csrf).status == 303
    before = contents(migrated)
    for answer in (guest.get(link), guest.post(link, csrf=csrf), Browser(url).get(link)):
        assert (answer.status, "This link no longer works" in answer.body) == (410, True)
        assert "The cart has been opened with it" in answer.body
    assert contents(migrated) == before


def test_carts_of_others(url: str, migrated: Postgres) -> None:
    """Another company's cart is not found on a page or for a mail; another guest's cart is not the visitor's."""
    shopper(url)
    with migrated.session("test") as connection:
        [(cart,)] = connection.execute("SELECT id FROM carts").fetchall()
    before = contents(migrated)
    foreign = Browser(url, token="token-harbor-goods")
    missing = foreign.get(f"/carts/{cart}")
    assert (missing.status, f"Cart {cart} not found." in missing.body, "Kettle" in missing.body) == (
        404,
        True,
        False,
    )
    foreign.open("/carts")
    csrf = Browser(url)
    csrf.open("/sign-in")
    csrf.submit("/sign-in", token="token-harbor-goods")
    sent = {"csrf": csrf.fields("/sign-out")["csrf"]}
    for path, status, words in (
        (f"/carts/{cart}/recovery", 404, f"Cart {cart} not found."),
        (f"/carts/{LONG}/recovery", 422, "malformed or too long"),
    ):
        refused = csrf.post(path, **sent)
        assert (refused.status, words in refused.body) == (status, True), refused.body
    stranger = Browser(url)
    assert "Kettle" not in stranger.open(f"{SHOP}/cart").body
    order = stranger.get(f"{SHOP}/orders/order-{cart}")
    assert (order.status, "Order not found" in order.body) == (404, True)
    stranger.cookies["shop_session"] = "eyJzaG9wcyI6e319.forged.forged"
    assert stranger.open(f"{SHOP}/cart").status == 200
    assert contents(migrated) == before


def test_the_api_refuses_the_same(tmp_path: Path, migrated: Postgres) -> None:
    """Overlong ids, odd numbers, another company's cart, another method."""
    write_tokens(tmp_path, "avnz", "harbor-goods")
    write_flags(tmp_path)
    fill_shop(migrated)
    with migrated.session("test") as connection:
        connection.execute(
            """INSERT INTO carts (id, "companyId", "updatedAt") VALUES ('c1', 'avnz', now())"""
        )
    before = contents(migrated)
    with served(tmp_path, migrated) as address:
        api = Http(address, token="token-harbor-goods")
        for method, path, status, words in (
            *(
                ("GET", f"/api/admin/carts?limit={limit}", 422, "limit")
                for limit in ("0", "-1", "1000000000", "1e400", "NaN")
            ),
            ("GET", f"/api/admin/carts?customerId={LONG}", 422, "customerId"),
            ("GET", "/api/admin/carts?after=forged", 422, "Invalid cursor."),
            ("GET", f"/api/admin/carts/{LONG}", 422, "at most 200 characters"),
            ("GET", "/api/admin/carts/c1", 404, "not_found"),
            ("POST", "/api/admin/carts/c1/recovery", 404, "not_found"),
            ("POST", f"/api/admin/carts/{LONG}/recovery", 422, "at most 200 characters"),
            ("DELETE", "/api/admin/carts/c1/recovery?abandonedAt=1e400", 422, "abandonedAt"),
            ("DELETE", "/api/admin/carts/c1/recovery?abandonedAt=2026-01-01T00:00:00Z", 404, "not_found"),
            ("DELETE", "/api/admin/carts/c1", 405, "Method Not Allowed"),
            ("GET", "/api/admin/ecommerce-analytics/overview?days=0", 422, "days"),
        ):
            answer = api.send(method, path)
            assert (answer.status, words in str(answer.json())) == (status, True), (method, path, answer.body)
        own = Http(address, token="token-avnz")
        for method, path, words in (
            ("POST", "/api/admin/carts/c1/recovery", "not_due"),
            ("DELETE", "/api/admin/carts/c1/recovery?abandonedAt=2026-01-01T00:00:00Z", "not_claimed"),
        ):
            answer = own.send(method, path)
            assert (answer.status, answer.json()) == (409, {"error": words}), answer.body
    assert contents(migrated) == before
