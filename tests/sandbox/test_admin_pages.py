"""The admin's pages: who may see them, what they find, and that what others wrote is shown as text."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Http, Response
from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.data.seed import seed
from tests.sandbox.served import served, write_flags, write_tokens

ODD = "c/<b>&\"'é"
CARTS = """
INSERT INTO carts (id, "companyId", status, currency, "siteType", "itemCount", subtotal, "grandTotal", "createdAt",
                   "lastActivityAt", "abandonedAt", "convertedAt", "customerId", "orderId", "updatedAt")
SELECT id, company, status::"CartStatus", currency, site::"SiteType", 1, total, total, now() - interval '2 days', now() - age * interval '1 hour',
       CASE WHEN status = 'ABANDONED' THEN now() - interval '2 hours' END, CASE WHEN status = 'CONVERTED' THEN now() END,
       CASE WHEN id = 'c2' THEN 'avnz-ada' END, CASE WHEN status = 'CONVERTED' THEN 'order-' || id END, now()
FROM (VALUES
  ('c1', 'avnz', 'ACTIVE', 'USD', 'STOREFRONT', 1234.50, 4), ('c2', 'avnz', 'ABANDONED', 'USD', 'FUNNEL', 20.00, 3),
  ('c3', 'avnz', 'CONVERTED', 'EUR', 'STOREFRONT', 30.00, 2), ('c4', 'avnz', 'CONVERTED', 'JPY', 'STOREFRONT', 4000, 1),
  ('x1', 'harbor-goods', 'ACTIVE', 'USD', 'STOREFRONT', 99.00, 1)
) AS made (id, company, status, currency, site, total, age)
"""


@pytest.fixture
def shop(tmp_path: Path, migrated: Postgres) -> Iterator[str]:
    """The dashboard over four carts of one company and one of another."""
    write_tokens(tmp_path, "avnz", "harbor-goods")
    write_flags(tmp_path)
    with migrated.session("test", autocommit=False) as connection:
        seed(connection)
        connection.execute(
            """INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
               VALUES ('avnz-ada', 'avnz', 'ada@avnz.example', 'Ada <i>', 'Okafor')"""
        )
        connection.execute(CARTS)
    with served(tmp_path, migrated, "web") as url:
        yield url


def listed(response: Response) -> list[str]:
    """The carts on a page of the list, in order."""
    assert response.status == 200
    return re.findall(r'class="id" href="/carts/([^"]*)"', response.body)


def test_nothing_is_shown_without_an_admins_token(shop: str) -> None:
    """No token and a wrong one get the sign-in form, a member is refused, and none of them sees a cart."""
    for path in ("/carts", "/carts/c1", "/carts/abandoned", "/insights/ecommerce"):
        for token, status, marker in (
            (None, 401, "sign-in"),
            ("wrong", 401, "sign-in"),
            ("token-member", 403, "error"),
        ):
            refused = Http(shop, token=token).get(path)
            assert (refused.status, f'data-page="{marker}"' in refused.body) == (status, True)
            assert not re.search(r"c[1-4]\b.*\$|1,234", refused.body)
        assert Http(shop, token="token-avnz").get(path).status == 200
    assert "/carts" not in Http(shop).get("/").body


@pytest.mark.parametrize(
    ("query", "expected"),
    (
        ("", ["c4", "c3", "c2", "c1"]),
        ("?status=CONVERTED", ["c4", "c3"]),
        ("?currency=EUR", ["c3"]),
        ("?site=FUNNEL", ["c2"]),
        ("?sort=oldest", ["c1", "c2", "c3", "c4"]),
        ("?sort=highest&currency=USD", ["c1", "c2"]),
        ("?q=c1", ["c1"]),
        ("?q=order-c3", ["c3"]),
        ("?q=ada@avnz.example", ["c2"]),
        ("?q=nobody@avnz.example", []),
        ("?q=x1", []),
        ("?q=%00", ["c4", "c3", "c2", "c1"]),
        ("?status=NONE&sort=x&after=!!&site=%27", ["c4", "c3", "c2", "c1"]),
        ("?currency=%27%20OR%201%3D1", []),
    ),
)
def test_search_filters_and_sorting(shop: str, query: str, expected: list[str]) -> None:
    """Each finds the company's own carts alone; what does not exist is ignored or matches nothing."""
    assert listed(Http(shop, token="token-avnz").get(f"/carts{query}")) == expected


def test_amounts_are_in_their_currencys_format(shop: str) -> None:
    """Symbols, separators and decimals of each currency, sums by currency, and times with their zone."""
    body = Http(shop, token="token-avnz").get("/carts").body
    for text in ("$1,234.50", "€30.00", "¥4,000", "Value in JPY", "Ada &lt;i&gt; Okafor", "ada@avnz.example"):
        assert text in body
    assert "<i>" not in body
    assert re.search(
        r'<time datetime="\d{4}-[^"]*Z" data-relative title="[^"]* UTC">\d hours? ago</time>', body
    )


@pytest.mark.parametrize("order", ("newest", "oldest", "highest"))
def test_pages_have_every_cart_once(shop: str, migrated: Postgres, order: str) -> None:
    """Following the next page reaches every cart once, equal keys included."""
    with migrated.session("test") as connection:
        connection.execute(
            """INSERT INTO carts (id, "companyId", "grandTotal", "lastActivityAt", "updatedAt")
               SELECT 'p' || n, 'avnz', n / 10, '2026-01-01'::timestamp + n / 20 * interval '1 hour', now()
               FROM generate_series(1, 70) AS n"""
        )
    web, path, seen = Http(shop, token="token-avnz"), f"/carts?sort={order}", list[str]()
    while path:
        response = web.get(path)
        seen += listed(response)
        following = re.search(r'rel="next" href="([^"]*)"', response.body)
        path = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == 74
    assert set(seen) == {f"p{n}" for n in range(1, 71)} | {"c1", "c2", "c3", "c4"}


def test_a_cart_shows_lines_codes_totals_and_history(shop: str, migrated: Postgres) -> None:
    """What each code takes off or why it takes nothing, why the cart cannot be bought, and what happened to it."""
    with migrated.session("test") as connection:
        connection.execute(DETAIL)
    body = Http(shop, token="token-avnz").get("/carts/c2").body
    for text in (
        *("Kettle &lt;b&gt;", "$2.00", "TEN", "BIG", "the cart is below its minimum", "Abandoned"),
        *("Cart created", "Ada &lt;i&gt; Okafor", "Cannot be bought yet", "/shop/avnz/recover/"),
    ):
        assert text in body, text
    other = Http(shop, token="token-harbor-goods").get("/carts/c2")
    assert (other.status, "Kettle" in other.body) == (404, False)


DETAIL = """
INSERT INTO products (id, "companyId", name, category, price, stock) VALUES ('avnz-kettle', 'avnz', 'Kettle', 'kitchen', 20, 3);
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", quantity, "unitPrice", "originalPrice", "discountAmount", "lineTotal", "updatedAt")
VALUES ('i1', 'c2', 'avnz-kettle', '{"name": "Kettle <b>"}', 1, 20, 20, 2, 18, now());
INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "minimumOrderAmount", "startsAt", "updatedAt") VALUES
  ('ten', 'avnz', 'TEN', 'Ten percent', 'PERCENTAGE_OFF', 'CART', 10, NULL, now() - interval '1 day', now()),
  ('big', 'avnz', 'BIG', 'Big order', 'PERCENTAGE_OFF', 'CART', 20, 500, now() - interval '1 day', now());
INSERT INTO cart_promotions (id, "cartId", "promotionId", "discountAmount") VALUES ('cp1', 'c2', 'ten', 2), ('cp2', 'c2', 'big', 0);
"""


def test_features_that_are_off_are_neither_linked_nor_there(shop: str, tmp_path: Path) -> None:
    """404 with the code that probes know, and not in the navigation."""
    write_flags(tmp_path, FEATURE_CART_MANAGEMENT=False, FEATURE_ABANDONED_CART_RECOVERY=False)
    web = Http(shop, token="token-avnz")
    for path in ("/carts", "/carts/c1", "/carts/abandoned"):
        refused = web.get(path)
        assert (refused.status, "feature_disabled" in refused.body) == (404, True)
    body = web.get("/insights/ecommerce").body
    navigation = re.findall(r'href="([^"]*)"', body[body.index("<nav") : body.index("</nav>")])
    assert navigation == ["/insights/ecommerce"]
