"""The admin side over rows that another application wrote, and with what a client may do to it: it answers all the same."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from tests.cart.store.shop import Shop
from tests.sandbox.served import served, write_flags, write_tokens

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def shop(migrated: Postgres, tmp_path: Path) -> Iterator[Shop]:
    """A shop, and the files of a replica that serves it."""
    made = Shop(migrated)
    write_tokens(tmp_path, "shop", "other")
    write_flags(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def api(shop: Shop, tmp_path: Path) -> Iterator[Http]:
    """The API as the shop's admin sees it."""
    with served(tmp_path, shop.database) as address:
        yield Http(address, token="token-shop")


def odd_carts(shop: Shop) -> None:
    """Carts with any JSON in their columns, in currencies that are none or have no such amounts."""
    sold = {"status": "CONVERTED", "convertedAt": NOW - HOUR, "createdAt": NOW - 2 * HOUR}
    for number, json in enumerate(("null", '"TEN"', '{"a": [1]}', "[null, {}]", "7")):
        cart = shop.cart(id=f"odd{number}", discountCodes=json, metadata=json, currency="JPY", **sold)
        shop.run(f"""UPDATE cart_items SET "productSnapshot" = '{json}', "customFields" = '{json}'
                     WHERE "cartId" = '{cart}'""")
    for number, code in enumerate(("KWD", "gems", EVIL)):
        shop.cart(id=f"cur{number}", currency=code, grandTotal="0.01", **sold)
    shop.run("UPDATE carts SET \"grandTotal\" = 0.5 WHERE currency = 'JPY'")


def test_rows_of_another_application_are_reported(shop: Shop, api: Http) -> None:
    """D11: lists, details, stats and overviews answer whatever JSON and currency the rows hold."""
    odd_carts(shop)
    listed = api.get("/api/admin/carts").json()
    assert len(listed) == 8
    for cart in listed:
        assert api.get(f"/api/admin/carts/{cart['id']}").status == 200, cart
    assert api.get("/api/admin/carts/stats").json()["values"]["JPY"] == "2.50"
    document = api.get("/api/admin/ecommerce-analytics/overview").json()
    averages = {row["currency"]: row["averageOrderValue"] for row in document["currencies"]}
    assert averages == {"JPY": "1", "KWD": "0.01", "gems": "0.01", EVIL: "0.01"}


def test_pages_show_them_and_escape_them(shop: Shop, tmp_path: Path) -> None:
    """The three pages and a cart's own stand, and a currency is text like any other."""
    odd_carts(shop)
    shop.run(f"UPDATE customers SET \"firstName\" = '{EVIL}'")
    with served(tmp_path, shop.database, "web") as address:
        web = Http(address, token="token-shop")
        paths = ["/carts", "/carts/abandoned", "/insights/ecommerce"]
        for path in (*paths, *(f"/carts/odd{number}" for number in range(5)), "/carts/cur2"):
            answer = web.get(path)
            assert answer.status == 200, path
            assert EVIL not in answer.body


def test_pages_are_refused_to_a_token_that_is_no_admins(shop: Shop, tmp_path: Path) -> None:
    """D12: a stranger's token or a member's sees nobody's figures, and another company's cart is not found."""
    shop.cart(id="mine")
    with served(tmp_path, shop.database, "web") as address:
        for token, status in (("token-nobody", 401), ("token-member", 403)):
            for path in ("/carts", "/carts/mine", "/carts/abandoned", "/insights/ecommerce"):
                assert Http(address, token=token).get(path).status == status, path
        assert Http(address, token="token-other").get("/carts/mine").status == 404
        assert "Access token" in Http(address).get("/carts/mine").body
        assert Http(address, token="token-shop").get("/carts/mine").status == 200


def test_a_page_goes_on_behind_the_longest_id(shop: Shop, api: Http) -> None:
    """An id of 200 characters, each of four bytes, is a cart like any other to the next page's address."""
    ids = {letter + "\N{SHOPPING TROLLEY}" * 199 for letter in "ab"}
    for cart in ids:
        shop.cart(id=cart)
    first = api.get("/api/admin/carts?limit=1")
    second = api.get(first.headers["link"][1:].partition(">")[0])
    assert {cart["id"] for page in (first, second) for cart in page.json()} == ids


def test_a_cart_that_moves_while_pages_are_read_is_neither_lost_nor_doubled_but_itself(
    shop: Shop, api: Http
) -> None:
    """Activity between two pages moves one cart to the front; every other one is listed once, in its place."""
    carts = [shop.cart(id=f"k{number}", lastActivityAt=NOW - number * HOUR) for number in range(6)]
    first = api.get("/api/admin/carts?limit=2")
    next_page = first.headers["link"][1:].partition(">")[0]
    shop.run(f"UPDATE carts SET \"lastActivityAt\" = '{(NOW + HOUR).replace(tzinfo=None)}' WHERE id = 'k3'")
    shop.run("DELETE FROM carts WHERE id = 'k1'")  # the one that the cursor names
    rest = api.get(next_page.replace("limit=2", "limit=50"))
    assert [cart["id"] for cart in rest.json()] == [carts[2], carts[4], carts[5]]


def test_a_time_without_a_zone_is_utc(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D10: a claim is taken back by its time as the columns hold it, wherever the service runs."""
    left = (NOW - 2 * HOUR).replace(microsecond=0)
    cart = shop.abandoned(2, abandonedAt=left)
    shop.run('UPDATE carts SET "recoveryEmailSent" = true')
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        with served(tmp_path, shop.database) as address:
            api = Http(address, token="token-shop")
            path = f"/api/admin/carts/{cart}/recovery?abandonedAt={left:%Y-%m-%dT%H:%M:%S}"
            assert api.send("DELETE", path).status == 204
    finally:
        monkeypatch.undo()
        time.tzset()


ODD_FILTERS = {
    "status=active": 422,
    "status=": 422,
    "status=ACTIVE&status=CONVERTED": 200,
    "limit=1e1": 422,
    "limit=1.5": 422,
    "limit=-1": 422,
    "limit=99999999999999999999": 422,
    f"customerId={quote(EVIL)}": 200,
    f"customerId={'x' * 201}": 422,
    "siteId=site'%20OR%20true--": 200,
    "siteId=%F0%28%8C%28": 200,
    "companyId=other&company=other": 200,
    f"after={'A' * 5000}": 422,
    "after=MTk5OS0wMS0wMVQwMDowMDowMFogYw==": 422,
}


def test_odd_filters_find_nothing_or_are_refused(shop: Shop, api: Http) -> None:
    """D12: no value of a filter fails inside, nor shows another company's carts."""
    shop.cart(companyId="other", id="foreign")
    for query, status in ODD_FILTERS.items():
        answer = api.get(f"/api/admin/carts?{query}")
        assert answer.status == status, (query, answer.body)
        assert status != 200 or answer.json() == [], query
