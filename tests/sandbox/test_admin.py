"""The admin side of the reference service 2.0.0: what it tells, to whom, and what it refuses."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cartctl.adapters.http.client import Http, Response
from cartctl.adapters.postgres import Postgres
from tests.cart.store.shop import Shop
from tests.sandbox.served import served, write_flags, write_tokens
from tests.services import Server

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
MINE, FOREIGN = "shop", "other"


@pytest.fixture
def shop(migrated: Postgres) -> Iterator[Shop]:
    """A shop with two companies."""
    made = Shop(migrated)
    yield made
    made.engine.dispose()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The files of a replica."""
    write_tokens(tmp_path, MINE, FOREIGN)
    write_flags(tmp_path)
    return tmp_path


@pytest.fixture
def url(shop: Shop, directory: Path) -> Iterator[str]:
    """The address of the API."""
    with served(directory, shop.database) as address:
        yield address


@pytest.fixture
def api(url: str) -> Http:
    """The API as the shop's admin sees it."""
    return Http(url, token="token-shop")


def pages_of(api: Http, path: str) -> list[list[Any]]:
    """Every page of a list, by the Link header."""
    results = []
    while path:
        answer = api.get(path)
        assert answer.status == 200, answer.body
        results.append(answer.json())
        link = answer.headers.get("link", "")
        assert not link or link.endswith('>; rel="next"')
        path = link[1:].partition(">")[0]
    return results


def test_pages_neither_skip_nor_repeat(shop: Shop, api: Http) -> None:
    """Following the pages gives every cart once, newest activity first, also where times are equal and carts arrive meanwhile."""
    carts = {shop.cart(lastActivityAt=NOW - (number // 3) * HOUR) for number in range(10)}
    first = api.get("/api/admin/carts?limit=4")
    shop.cart(lastActivityAt=NOW + HOUR)
    rest = pages_of(api, first.headers["link"][1:].partition(">")[0])
    listed = [cart for page in (first.json(), *rest) for cart in page]
    assert [len(page) for page in rest] == [4, 2]
    assert {cart["id"] for cart in listed} == carts
    keys = [(cart["lastActivityAt"], cart["id"]) for cart in listed]
    assert keys == sorted(keys, reverse=True)


def test_filters_combine(shop: Shop, api: Http) -> None:
    """Status, customer and site each narrow the list, together too, and stay in the next page's address."""
    expected = [
        shop.cart(status="ABANDONED", customerId="ada", siteId="site", abandonedAt=NOW) for _ in range(3)
    ]
    shop.cart(customerId="ada", siteId="site")
    shop.cart(status="ABANDONED", customerId="ben", siteId="site", abandonedAt=NOW)
    shop.cart(status="ABANDONED", customerId="ada", abandonedAt=NOW)
    query = "status=ABANDONED&customerId=ada&siteId=site&limit=2"
    pages = pages_of(api, f"/api/admin/carts?{query}")
    assert sorted(cart["id"] for page in pages for cart in page) == sorted(expected)
    assert len(api.get("/api/admin/carts?customerId=ada").json()) == 5
    assert api.get("/api/admin/carts?customerId=nobody").json() == []


@pytest.mark.parametrize(
    "query",
    (
        *(
            "status=LOST",
            "limit=0",
            "limit=101",
            "limit=many",
            "after=nonsense",
            "after=%00",
            "customerId=%00",
        ),
        *("customerId=", "after=MjAyNiBj", "after=w6Q"),
    ),
)
def test_wrong_parameters_are_refused_by_name(api: Http, query: str) -> None:
    """A parameter that cannot be is 422 and told by its name."""
    answer = api.get(f"/api/admin/carts?{query}")
    assert answer.status == 422
    assert answer.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize(
    "path", ("/api/products?company=%00", "/api/admin/carts/%00", "/api/admin/features?company=%00")
)
def test_what_no_text_holds_is_refused(api: Http, path: str) -> None:
    """A NUL, which the database cannot hold, is a wrong parameter and no failure inside."""
    assert api.get(path).status == 422


def test_a_cart_is_reported_with_everything_in_it(shop: Shop, api: Http) -> None:
    """The detail has lines and promotions, amounts as text and times in UTC."""
    shop.promotion("ten")
    cart = shop.cart(createdAt=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    shop.apply("ten", cart)
    document = api.get(f"/api/admin/carts/{cart}").json()
    assert (document["id"], document["grandTotal"], document["createdAt"]) == (
        cart,
        "20.00",
        "2026-01-02T03:04:05.000Z",
    )
    [line] = document["items"]
    assert (line["productId"], line["unitPrice"], line["quantity"]) == ("mug", "20.00", 1)
    assert [promotion["code"] for promotion in document["promotions"]] == ["TEN"]


def test_nobody_sees_another_companys_carts(shop: Shop, api: Http) -> None:
    """D12: lists, figures, detail and actions know the token's company alone; what is another's is not found."""
    foreign = shop.abandoned(5, companyId=FOREIGN, customerId="eve", id="foreign")
    assert api.get("/api/admin/carts").json() == []
    assert api.get("/api/admin/carts/stats").json()["total"] == 0
    assert api.get("/api/admin/carts/recovery").json() == []
    assert api.get("/api/admin/ecommerce-analytics/overview").json()["currencies"] == []
    before = shop.all("SELECT * FROM carts")
    for answer in (
        api.get(f"/api/admin/carts/{foreign}"),
        api.send("POST", f"/api/admin/carts/{foreign}/recovery"),
        api.send("DELETE", f"/api/admin/carts/{foreign}/recovery?abandonedAt=2026-01-01T00:00:00Z"),
    ):
        assert (answer.status, answer.json()) == (404, {"error": "not_found"})
    assert shop.all("SELECT * FROM carts") == before
    assert api.get("/api/admin/carts/nowhere").status == 404


def ask(api: Http, method: str, path: str) -> Response:
    """One request."""
    return api.get(path) if method == "GET" else api.send(method, path)


@pytest.mark.parametrize("token", (None, "token-member", "token-nobody", "käse"))
def test_strangers_and_members_are_refused(shop: Shop, url: str, token: str | None) -> None:
    """Without an admin's token every cart route is 401."""
    cart = shop.abandoned(5)
    for method, path in (
        ("GET", "/api/admin/carts"),
        ("GET", "/api/admin/carts/stats"),
        ("GET", f"/api/admin/carts/{cart}"),
        ("GET", "/api/admin/carts/recovery"),
        ("POST", f"/api/admin/carts/{cart}/recovery"),
        ("GET", "/api/admin/ecommerce-analytics/overview"),
    ):
        sent = quote(token) if token else None
        assert ask(Http(url, token=sent), method, path).status == 401, path
    assert shop.one('SELECT "recoveryEmailSent" FROM carts') is False


def test_a_mail_is_sent_at_most_once(shop: Shop, api: Http, capfd: pytest.CaptureFixture[str]) -> None:
    """D10: a due cart is claimed and its mail sent; a second time it is a conflict, until the mail is taken back."""
    cart = shop.cart(
        status="ABANDONED", abandonedAt=NOW - 2 * HOUR, customerId="ada", lastActivityAt=NOW - 3 * HOUR
    )
    [listed] = api.get("/api/admin/carts/recovery").json()
    assert (listed["id"], listed["candidate"]) == (cart, True)
    sent = api.send("POST", f"/api/admin/carts/{cart}/recovery")
    assert sent.status == 200, sent.body
    assert f"recovery mail cart={cart}" in capfd.readouterr().err
    again = api.send("POST", f"/api/admin/carts/{cart}/recovery")
    assert (again.status, again.json()) == (409, {"error": "not_due"})
    [listed] = api.get("/api/admin/carts/recovery").json()
    assert (listed["candidate"], listed["recoveryEmailSent"]) == (False, True)
    back = f"/api/admin/carts/{cart}/recovery?abandonedAt={quote(sent.json()['abandonedAt'])}"
    assert api.send("DELETE", f"{back[:-20]}2020-01-01T00:00:00Z").status in {409, 422}
    assert api.send("DELETE", back).status == 204
    assert api.send("DELETE", back).status == 409
    assert api.send("POST", f"/api/admin/carts/{cart}/recovery").status == 200


ROUTES = {
    "FEATURE_CART_MANAGEMENT": ("/api/admin/carts", "/api/admin/carts/stats", "/api/admin/carts/c"),
    "FEATURE_ABANDONED_CART_RECOVERY": ("/api/admin/carts/recovery",),
    "FEATURE_ECOMMERCE_ANALYTICS": ("/api/admin/ecommerce-analytics/overview",),
}


@pytest.mark.parametrize("off", ROUTES)
def test_each_flag_switches_its_own_routes(shop: Shop, directory: Path, api: Http, off: str) -> None:
    """A feature that is off answers 404 feature_disabled on its routes, the others go on."""
    shop.cart(id="c")
    write_flags(directory, **{off: False})
    for flag, paths in ROUTES.items():
        for path in paths:
            answer = api.get(path)
            expected = (404, {"error": "feature_disabled"}) if flag == off else (200, answer.json())
            assert (answer.status, answer.json()) == expected, path


def test_without_a_database_the_routes_ask_to_come_back(pg18: Server, shop: Shop, api: Http) -> None:
    """While the database is away every cart route is 503, also when the pool has noticed; health says it is down."""
    shop.cart()
    assert api.get("/api/admin/carts").status == 200
    pg18.drop(shop.database)
    for path in ("/api/admin/carts", "/api/admin/carts/stats", "/api/admin/carts/recovery"):
        answer = api.get(path)
        assert (answer.status, answer.json()) == (503, {"error": "database_unavailable"})
    assert api.get("/health").json()["database"] == "down"


def test_pages_escape_what_people_typed(shop: Shop, directory: Path) -> None:
    """HTML in names of products, promotions and carts is shown, not obeyed."""
    evil = "<script src=x>"
    cart = shop.cart(id=f"c{evil}")
    shop.run("DELETE FROM cart_items")
    shop.insert(
        "cart_items",
        id="line",
        cartId=cart,
        productId="mug",
        productSnapshot=json.dumps({"name": evil}),
        unitPrice=1,
        originalPrice=1,
        lineTotal=1,
        updatedAt=NOW.replace(tzinfo=None),
    )
    shop.promotion("ten", description=evil, code=f"T{evil}")
    shop.apply("ten", cart)
    with served(directory, shop.database, "web") as address:
        web = Http(address, token="token-shop")
        for path in ("/carts", f"/carts/{quote(cart)}", "/carts/abandoned", "/insights/ecommerce"):
            answer = web.get(path)
            assert answer.status == 200, path
            assert evil not in answer.body
        assert "&lt;script src=x&gt;" in web.get("/carts").body
        assert web.get("/carts/nowhere").status == 404


def test_pages_show_the_real_numbers(shop: Shop, directory: Path) -> None:
    """The three pages and a cart's own tell what stands in the tables."""
    shop.cart(
        id="bought",
        status="CONVERTED",
        convertedAt=NOW,
        createdAt=NOW - HOUR,
        orderId="o",
        grandTotal="123.45",
    )
    left = NOW - 2 * HOUR
    shop.cart(
        id="left", status="ABANDONED", abandonedAt=left, customerId="ada", siteType="FUNNEL", createdAt=left
    )
    with served(directory, shop.database, "web") as address:
        web = Http(address, token="token-shop")
        assert "143.45" in web.get("/carts").body
        assert "E-mail due</span>" in web.get("/carts/abandoned").body
        insights = web.get("/insights/ecommerce").body
        assert "50.0 %" in insights
        assert "Funnel" in insights
        assert "Mug" in web.get("/carts/bought").body


def test_the_api_keeps_its_own_contract(shop: Shop, url: str) -> None:
    """Whatever a client sends, no route fails inside, and every answer is one that the OpenAPI document names."""
    shop.abandoned(5, id="c")
    shop.cart(customerId="ada", siteId="site")
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    assert {operation.path for operation in operations} >= set(PATHS)
    for operation in operations:
        explore(operation)


PATHS = (
    "/api/admin/carts",
    "/api/admin/carts/{cart_id}",
    "/api/admin/carts/recovery",
    "/api/admin/ecommerce-analytics/overview",
)


def explore(operation: Any) -> None:
    """Generated requests to one operation, each answer held against the document."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def one(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            headers={"Authorization": "Bearer token-shop"},
            excluded_checks=[positive_data_acceptance],  # no schema tells which texts are cursors
        )

    one()
