"""Debian's Chromium over the reference service, in both themes and at phone width."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from cartctl.adapters.postgres import Postgres
from tests.sandbox.served import served, write_flags, write_tokens
from tests.sandbox.shop_data import fill_shop

PROGRAM = "chromium"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of the machine; nothing is downloaded."""
    program = shutil.which(PROGRAM)
    if program is None:
        if os.environ.get("CARTCTL_REQUIRE_SERVICES"):
            pytest.fail(f"{PROGRAM} is not installed")
        pytest.skip(f"{PROGRAM} is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def page_of(
    browser: Browser, url: str, *, dark: bool = False, phone: bool = False, scripts: bool = True
) -> Iterator[Page]:
    """A new visitor's page, which fails the test on an error of its scripts or a blocked resource."""
    context = browser.new_context(
        base_url=url,
        viewport=PHONE if phone else DESK,  # type: ignore[arg-type]  # a TypedDict of the same keys
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        timezone_id="Europe/Berlin",
        locale="en-GB",
        bypass_csp=False,
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None
    )
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def directory(tmp_path: Path, migrated: Postgres) -> Path:
    """The files of a replica over a shop with products, codes, taxes and shipping."""
    write_tokens(tmp_path, "avnz", "harbor-goods")
    write_flags(tmp_path)
    fill_shop(migrated)
    return tmp_path


@pytest.fixture
def url(directory: Path, migrated: Postgres) -> Iterator[str]:
    """Where the pages are."""
    with served(directory, migrated, "web") as address:
        yield address


def sign_in(page: Page) -> None:
    """Sign in as the company's admin."""
    page.goto("/sign-in")
    page.get_by_label("Access token").fill("token-avnz")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/carts")
