"""How pages write amounts, changes and courses, and where their errors lead."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.service.pages.admin.trends import Trend, percent, points, sparkline
from cartctl.sandbox.service.pages.formats import label, money
from tests.sandbox.browsing import Browser
from tests.sandbox.served import served

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    (
        ("1234.5", "USD", "$1,234.50"),
        ("-10.55", "USD", f"{MINUS}$10.55"),
        ("-1234", "JPY", f"{MINUS}¥1,234"),
        ("-0.00", "EUR", "€0.00"),
        ("-5", "XXT", f"{MINUS}XXT5.00"),
    ),
)
def test_negative_amounts_have_one_form(amount: str, code: str, text: str) -> None:
    """A minus sign before the symbol; zero has none."""
    assert money(Decimal(amount), code).replace("\xa0", "") == text


def test_every_discount_of_a_page_has_that_form(url: str) -> None:
    """Lines and totals of a shopper's cart and of the admin's page of it."""
    guest = Browser(url)
    guest.open("/shop/avnz")
    guest.submit("/cart/add", product="avnz-kettle")
    guest.submit("/cart/code", code="ten")
    admin = Browser(url, token="token-avnz")
    [cart] = re.findall(r'class="id" href="(/carts/[^"]*)"', admin.open("/carts").body)
    for body in (guest.body, admin.open(cart).body):
        assert f"{MINUS}$4.00" in body
        assert "-$" not in body


@pytest.mark.parametrize(
    ("trend", "expected"),
    (
        (points("0.40", "0.30", rises=True), Trend("+10.0 pp", "↑", "good")),
        (points("0.40", "0.30", rises=False), Trend("+10.0 pp", "↑", "bad")),
        (points("0.30", "0.40", rises=True), Trend(f"{MINUS}10.0 pp", "↓", "bad")),
        (points("0.4001", "0.4000", rises=True), Trend("no change", "", "")),
        (points(None, "0.4", rises=True), None),
        (percent(15, 10), Trend("+50.0 %", "↑", "good")),
        (percent(5, 10), Trend(f"{MINUS}50.0 %", "↓", "bad")),
        (percent(5, 0), None),
        (percent(None, Decimal(3)), None),
    ),
)
def test_a_change_says_its_direction_and_what_it_means(trend: Trend | None, expected: Trend | None) -> None:
    """In points for rates, in percent for numbers, nothing without a value to compare with."""
    assert trend == expected


def test_a_sparkline_leaves_out_days_without_a_value() -> None:
    """From left to right, the highest at the top; no line from one value, and none of nothing but zeros fails."""
    assert 'd="M0.0 24.0L100.0 0.0"' in sparkline([0, None, 4])
    assert (sparkline([]), sparkline([None, 1])) == ("", "")
    assert "M0.0 24.0L100.0 24.0" in sparkline([0, 0])


def test_names_of_sites_are_written_as_people_do() -> None:
    """Capitals where the name has them."""
    assert (label("B2B_PORTAL"), label("STOREFRONT")) == ("B2B portal", "Storefront")


@pytest.mark.parametrize(
    ("path", "token", "status", "title", "ways"),
    (
        ("/carts/none", "token-avnz", 404, "Cart not found", ["/carts"]),
        ("/nowhere", "", 404, "Page not found", ["/"]),
        ("/carts", "token-member", 403, "No access", ["/sign-in", "/"]),
        ("/shop/none", "", 404, "Shop not found", ["/"]),
        ("/shop/avnz/recover/forged", "", 404, "This link is not valid", ["/shop/avnz/cart", "/shop/avnz"]),
        ("/shop/avnz/nowhere", "", 404, "Page not found", ["/shop/avnz/cart", "/shop/avnz"]),
    ),
)
def test_an_error_page_leads_back(
    url: str, path: str, token: str, status: int, title: str, ways: list[str]
) -> None:
    """To the nearest page that works, in the frame of the dashboard or of the shop."""
    answer = Http(url, token=token or None).get(path)
    [actions] = re.findall(r'<p class="actions">(.*?)</p>', answer.body)
    assert (answer.status, f"<h1>{title}</h1>" in answer.body) == (status, True)
    assert re.findall(r'href="([^"]*)"', actions) == ways
    assert ("Dashboard</a>" in answer.body) is not (len(ways) == 2 and ways[1].startswith("/shop"))
    assert ('aria-label="Main"' in answer.body) is (token == "token-avnz")


def test_a_fault_of_the_service_is_a_page(
    directory: Path, migrated: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 in the page's own design, with a way to try again, and no trace of the code."""
    from cartctl.sandbox.service.pages.admin import carts

    monkeypatch.setattr(carts, "SIZE", "broken")
    with served(directory, migrated, "web") as address:
        answer = Http(address, token="token-avnz").get("/carts?q=a&sort=oldest")
    assert (answer.status, "Something went wrong" in answer.body, "Traceback" in answer.body) == (
        500,
        True,
        False,
    )
    assert 'href="/carts?q=a&amp;sort=oldest">Try again</a>' in answer.body


def test_figures_that_were_empty_are_not_kept(directory: Path, migrated: Postgres) -> None:
    """A period without carts is counted anew, however long that took."""
    from cartctl.sandbox.service import aggregates

    with pytest.MonkeyPatch.context() as patch, served(directory, migrated, "web") as address:
        patch.setattr(aggregates, "QUICK", 0.0)
        web = Http(address, token="token-avnz")
        assert "No carts in the last 30 days" in web.get("/insights/ecommerce").body
        with migrated.session("test") as connection:
            connection.execute(
                """INSERT INTO carts (id, "companyId", "itemCount", "createdAt", "updatedAt")
                   VALUES ('new', 'avnz', 1, now() - interval '1 minute', now())"""
            )
        patch.setattr(aggregates, "FRESH", 3600.0)
        import time

        time.sleep(1.1)  # ages are in whole seconds
        assert "No carts in the last" not in web.get("/insights/ecommerce").body
