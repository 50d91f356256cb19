"""The generated pages by file name."""

from collections.abc import Callable
from pathlib import Path

from tests.docs import (
    commands_page,
    configuration_page,
    exit_codes_page,
    json_page,
    library_page,
    quote_page,
    smoke_page,
)

DIRECTORY = Path(__file__).parents[2] / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page.page,
    "configuration.md": configuration_page.page,
    "exit-codes.md": exit_codes_page.page,
    "json.md": json_page.page,
    "library.md": library_page.page,
    "quote.md": quote_page.page,
    "quote.schema.json": quote_page.schema_text,
    "smoke-suite.schema.json": smoke_page.schema_text,
    "smoke-suites.md": smoke_page.page,
}
