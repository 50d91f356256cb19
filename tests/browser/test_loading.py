"""What shows that a page is on its way, and that a form is sent once."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from cartctl.adapters.postgres import Postgres
from tests.browser.conftest import page_of, sign_in
from tests.sandbox.test_recovery_mail import CART

pytestmark = pytest.mark.browser
WATCH = """() => {
  const watch = () => sessionStorage.setItem("seen", JSON.stringify({
    busy: document.documentElement.classList.contains("busy"),
    aria: document.getElementById("content").getAttribute("aria-busy"),
    text: document.getElementById("progress-text").textContent,
    disabled: [...document.querySelectorAll("button:disabled")].map((each) => each.textContent),
  }));
  new MutationObserver(watch).observe(document, { attributes: true, childList: true, subtree: true });
}"""  # the state is kept across the change of pages, during which nobody can look


def seen(page: Page) -> Any:
    """The last state that the page before this one had."""
    return page.evaluate("JSON.parse(sessionStorage.getItem('seen'))")


LOADING = {"busy": True, "aria": "true", "text": "Loading", "disabled": []}


def test_a_page_on_its_way_says_so(chromium: Browser, url: str) -> None:
    """A link, a filter and a button show it, to eyes and to screen readers, until the next page is there."""
    with page_of(chromium, url) as page:
        sign_in(page)
        page.evaluate(WATCH)
        page.get_by_role("link", name="Insights").click()
        page.wait_for_url("**/insights/ecommerce")
        assert seen(page) == LOADING
        page.goto("/carts")
        page.evaluate(WATCH)
        page.get_by_label("Sort").select_option("oldest")
        page.wait_for_url("**/carts?*sort=oldest")
        assert seen(page) == LOADING
        page.evaluate(WATCH)
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**/carts?*sort=oldest")
        expect(page.locator("#content[aria-busy=true]")).to_have_count(0)
        assert seen(page) == {**LOADING, "disabled": ["Search"]}


def test_a_form_is_sent_once(chromium: Browser, url: str, migrated: Postgres) -> None:
    """While it is sent its button is disabled, and a second press sends nothing; then the page says what happened."""
    with migrated.session("test") as connection:
        connection.execute(CART.encode())
    sent: list[Request] = []
    with page_of(chromium, url) as page:
        sign_in(page)
        page.goto("/carts/abandoned")
        page.on("request", lambda each: sent.append(each) if each.method == "POST" else None)
        page.evaluate(WATCH)
        button = page.get_by_role("button", name="Send a recovery e-mail")
        button.evaluate("button => { button.click(); button.form.requestSubmit(); }")
        expect(page.get_by_role("status")).to_have_text("The recovery e-mail has been sent.")
        expect(page.locator(".state")).to_have_text("E-mail sent")
        expect(button).to_have_count(0)
        assert seen(page) == {**LOADING, "disabled": ["Send e-mail"]}
        assert len(sent) == 1


def test_a_page_that_was_left_can_be_used_again(chromium: Browser, url: str) -> None:
    """Back to a page that was left by a link: nothing on it is busy or disabled."""
    with page_of(chromium, url) as page:
        sign_in(page)
        page.get_by_role("link", name="Insights").click()
        page.wait_for_url("**/insights/ecommerce")
        page.go_back()
        page.wait_for_url("**/carts")
        expect(page.locator("#content[aria-busy=true]")).to_have_count(0)
        expect(page.locator("button:disabled")).to_have_count(0)
