"""Debian's Chromium over the reference service, in both themes and three widths."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.sandbox.shop_fixture import directory, url

__all__ = ["directory", "url"]

PROGRAM = "chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = "desk"
SIZES: dict[str, ViewportSize] = {
    DESK: {"width": 1280, "height": 900},
    "tablet": {"width": 768, "height": 1024},
    "phone": {"width": 390, "height": 844},
}
CONDITION_TIMEOUT = 60_000  # ms that a condition may take: the machine may be busy


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of the machine; nothing is downloaded."""
    program = shutil.which(PROGRAM)
    if program is None:
        if os.environ.get("CARTCTL_REQUIRE_SERVICES"):
            pytest.fail(f"{PROGRAM} is not installed")
        pytest.skip(f"{PROGRAM} is not installed")
    expect.set_options(timeout=CONDITION_TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def page_of(
    browser: Browser, url: str, *, dark: bool = False, size: str = DESK, scripts: bool = True
) -> Iterator[Page]:
    """A new visitor's page, which fails the test on an error of its scripts or a blocked resource."""
    context = browser.new_context(
        base_url=url,
        viewport=SIZES[size],
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        timezone_id="Europe/Berlin",
        locale="en-GB",
        bypass_csp=False,
    )
    context.set_default_timeout(CONDITION_TIMEOUT)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None
    )
    yield page
    context.close()
    assert wrong == []


def sign_in(page: Page) -> None:
    """Sign in as the company's admin."""
    page.goto("/sign-in")
    page.get_by_label("Access token").fill("token-avnz")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/carts")
