"""Every page is usable by everybody: axe-core finds nothing serious, nothing is cut off, and the screenshots are current."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from cartctl.adapters.postgres import Postgres
from tests.browser.conftest import DESK, page_of, sign_in
from tests.browser.month_of_carts import fill_month

pytestmark = pytest.mark.browser
SHOP = "/shop/avnz"
SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"
ADMIN = {
    "home": "/",
    "carts": "/carts",
    "no-carts": "/carts?q=none",
    "abandoned": "/carts/abandoned",
    "insights": "/insights/ecommerce",
    "cart": "/carts/c2",
    "missing": "/carts/none",
    "nothing-lost": "/carts/abandoned?view=expired",
    "no-period": "/insights/ecommerce?days=1&currency=none",
    "sign-in": "/sign-in",
}
PORTAL = {
    "products": SHOP,
    "shop-cart": f"{SHOP}/cart",
    "checkout": f"{SHOP}/checkout",
    "funnel": f"{SHOP}/funnel",
    "shop-sign-in": f"{SHOP}/sign-in",
    "bad-link": f"{SHOP}/recover/forged",
}
KEPT = {  # as files in docs/
    *("carts-light", "carts-light-phone", "cart-light", "abandoned-light"),
    *("insights-dark", "shop-cart-light-phone"),
}
STOPS = ("Carts", "Abandoned", "Insights", "Recover carts", "q", "currency", "site", "sort", "Search")
SAMPLES = ((False, "desk"), (True, "desk"), (False, "tablet"), (False, "phone"), (True, "phone"))


@pytest.fixture
def month(url: str, migrated: Postgres) -> str:
    """A month of carts."""
    fill_month(migrated)
    return url


def visit_shop(page: Page) -> None:
    """Fill a cart so that its page shows everything."""
    page.goto(SHOP)
    page.get_by_role("button", name="Add Kettle to the cart").click()
    page.get_by_label("Code", exact=True).fill("SOON")
    page.get_by_role("button", name="Apply").click()
    page.get_by_label("Code", exact=True).fill("BIG")
    page.get_by_role("button", name="Apply").click()
    page.get_by_label("Country").fill("United States")
    page.get_by_label("State").fill("NY")
    page.get_by_role("button", name="Save address").click()


def check(page: Page, name: str) -> list[str]:
    """What is wrong with the page that is shown."""
    results = Axe().run(page)
    wrong = [
        f"{name}: {result['impact']} {result['id']}: {node['html'][:120]}"
        for result in results.response["violations"]
        if result["impact"] in {"serious", "critical", "moderate"}
        for node in result["nodes"]
    ]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        wrong.append(f"{name}: {wide} pixels are cut off")
    return wrong


@pytest.mark.parametrize(("dark", "size"), SAMPLES, ids=("light", "dark", "tablet", "phone", "dark-phone"))
def test_nothing_serious_and_nothing_cut_off(chromium: Browser, month: str, dark: bool, size: str) -> None:
    """All pages of admin and portal, in both themes, at 768 and at 390 pixels."""
    look = ("dark" if dark else "light") + ("" if size == DESK else f"-{size}")
    wrong: list[str] = []
    with page_of(chromium, month, dark=dark, size=size) as page:
        sign_in(page)
        for name, path in ADMIN.items():
            page.goto(path)
            wrong += check(page, name)
            keep(page, name, look)
    with page_of(chromium, month, dark=dark, size=size) as page:
        visit_shop(page)
        for name, path in PORTAL.items():
            page.goto(path)
            wrong += check(page, name)
            keep(page, name, look)
        page.goto(SHOP)
        page.locator(".mini summary").click()
        wrong += check(page, "drawer")
        keep(page, "drawer", look)
    assert wrong == []


def test_pages_print_their_content_alone(chromium: Browser, month: str) -> None:
    """Neither navigation nor buttons nor filters are on paper, and the paper is white even where the screen is dark."""
    with page_of(chromium, month, dark=True) as page:
        sign_in(page)
        page.emulate_media(media="print")
        for name, path in ADMIN.items():
            page.goto(path)
            assert page.locator("h1").is_visible()
            for hidden in ("nav:visible", "button:visible", ".filters:visible", ".loading:visible"):
                expect(page.locator(hidden)).to_have_count(0)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            keep(page, name, "print")


@pytest.mark.parametrize("size", (DESK, "phone"))
def test_everything_is_reached_by_keyboard(chromium: Browser, month: str, size: str) -> None:
    """The first stop skips to the content; then navigation, sign-out and filters in the order in which they are seen."""
    with page_of(chromium, month, size=size) as page:
        sign_in(page)
        page.goto("/carts")
        seen = []
        for _ in range(24):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate("(document.activeElement.id || document.activeElement.textContent).trim()")
            )
        assert seen[0] == "Skip to the content"
        assert [each for each in seen if each in STOPS] == list(STOPS)


def keep(page: Page, name: str, look: str) -> None:
    """Write the screenshot where it was asked for: CARTCTL_SCREENSHOTS=docs for those of the documentation, or a directory for all."""
    target = os.environ.get("CARTCTL_SCREENSHOTS", "")
    if not target:
        return
    directory = SCREENSHOTS if target == "docs" else Path(target)
    if target == "docs" and f"{name}-{look}" not in KEPT:
        return
    directory.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=directory / f"{name}-{look}.png", full_page=target != "docs" or name == "shop-cart")
