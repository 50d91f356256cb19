"""A guest shops, signs in, leaves, comes back and buys, and the admin sees it: in a real browser."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cartctl.adapters.postgres import Postgres
from cartctl.sandbox.service.cart_work import CartWork
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import Flags
from tests.browser.conftest import page_of, sign_in
from tests.sandbox.served import write_flags
from tests.sandbox.shop_fixture import set_clock

pytestmark = pytest.mark.browser
SHOP = "/shop/avnz"


def run_jobs(directory: Path, database: Postgres) -> None:
    """One round of the worker's jobs, at the sandbox's clock."""
    from cartctl.sandbox.service.clock import Clock

    data = Data(database.dsn, "worker")
    data.open()
    flags = Flags(directory / "config" / "cart-flags" / "flags.json", print)
    clock = Clock(directory / "config" / "cart-runtime" / "CLOCK", print)
    CartWork(data, flags, clock=clock.now)()
    data.close()


def rate(page: Page, name: str) -> str:
    """A rate of the insights."""
    page.set_extra_http_headers(
        {"Cache-Control": "no-cache"}
    )  # as a reload by hand; else figures may be kept
    page.goto("/insights/ecommerce")
    tile = page.locator(".tile", has=page.locator(".label", has_text=name)).first
    return tile.locator("strong").inner_text() if tile.count() else ""


@pytest.mark.parametrize("scripts", (True, False), ids=("scripts", "no scripts"))
def test_from_a_guests_cart_to_the_analytics(
    chromium: Browser, url: str, directory: Path, migrated: Postgres, scripts: bool
) -> None:
    """Add, merge at login, apply a code, abandon by the clock, recover by the link, check out; the insights change."""
    with page_of(chromium, url) as admin, page_of(chromium, url, scripts=scripts) as page:
        sign_in(admin)
        assert rate(admin, "Conversion") == ""
        page.goto(SHOP)
        page.get_by_role("button", name="Add Lamp to the cart").click()
        page.goto(f"{SHOP}/sign-in")
        page.get_by_label("Access token").fill("token-ada")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("status")).to_contain_text("now in your account")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Add Kettle to the cart").click()
        page.goto(f"{SHOP}/sign-in")
        page.get_by_label("Access token").fill("token-ada")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("status")).to_contain_text("Your cart has been merged")
        expect(page.locator(".line strong", has_text="Lamp")).to_be_visible()
        expect(page.locator(".line strong", has_text="Kettle")).to_be_visible()
        page.get_by_label("Code", exact=True).fill("ten")
        page.get_by_role("button", name="Apply").click()
        expect(page.locator(".sums").last).to_contain_text("TEN")
        set_clock(directory, 3)
        run_jobs(directory, migrated)
        set_clock(directory, 5)
        run_jobs(directory, migrated)
        admin.goto("/carts/abandoned")
        expect(admin.locator("tbody tr")).to_contain_text(["Ada Okafor"])
        expect(admin.locator("tbody tr")).to_contain_text(["E-mail sent"])
        assert rate(admin, "Abandonment") == "100.0 %"
        admin.goto("/carts?status=ABANDONED")
        admin.locator("tbody a").click()
        link = admin.get_by_label("Recovery link", exact=True).input_value()
        page.goto(link)
        page.get_by_role("button", name="Open my cart").click()
        expect(page.get_by_role("status")).to_contain_text("Welcome back")
        page.get_by_label("Country").fill("United States")
        page.get_by_label("State").fill("NY")
        page.get_by_role("button", name="Save address").click()
        page.get_by_role("link", name="Check out").last.click()
        page.get_by_role("button", name="Pay $").click()
        expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        assert rate(admin, "Conversion") == "100.0 %"
        assert rate(admin, "Recovered by e-mail") == "100.0 %"
        expect(admin.locator(".chart svg")).to_have_count(4)


def test_features_disappear_with_their_flags(chromium: Browser, url: str, directory: Path) -> None:
    """Neither a link nor a page is left of a feature that is off."""
    with page_of(chromium, url) as page:
        sign_in(page)
        expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_count(3)
        write_flags(directory, FEATURE_CART_MANAGEMENT=False, FEATURE_ABANDONED_CART_RECOVERY=False)
        page.goto("/insights/ecommerce")
        expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_text(["Insights"])
        response = page.goto("/carts")
        assert response is not None
        assert response.status == 404
        page.goto(SHOP)
        expect(page.get_by_role("button")).to_have_count(0)
        expect(page.locator(".mini")).to_have_count(0)


def test_times_are_local_and_a_countdown_ends(chromium: Browser, url: str, migrated: Postgres) -> None:
    """With scripts, times are in the browser's zone; a countdown that is over disappears."""
    ends = datetime.now(UTC) + timedelta(minutes=30)
    with migrated.session("test") as connection:
        connection.execute(
            f"UPDATE promotions SET \"expiresAt\" = '{ends:%Y-%m-%d %H:%M:%S}' WHERE code = 'SOON'".encode()
        )
    with page_of(chromium, url) as page:
        page.goto(SHOP)
        page.clock.install(time=datetime.now(UTC))
        page.get_by_role("button", name="Add Kettle to the cart").click()
        page.get_by_label("Code", exact=True).fill("SOON")
        page.get_by_role("button", name="Apply").click()
        timer = page.locator("[data-component=urgency-timer]")
        expect(timer).to_contain_text("SOON")
        expect(timer.locator("time")).not_to_contain_text("UTC")
        page.clock.fast_forward(31 * 60_000)
        expect(timer).to_have_count(0)
