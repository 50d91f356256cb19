"""A served shop with products, codes, taxes and shipping: for the tests of its pages, with and without a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from tests.sandbox.served import served, write_flags, write_tokens
from tests.sandbox.shop_data import fill_shop

__all__ = ["directory", "set_clock", "url"]


@pytest.fixture
def directory(tmp_path: Path, migrated: Postgres) -> Path:
    """The files of a replica, over a shop with everything."""
    write_tokens(tmp_path, "avnz", "harbor-goods")
    write_flags(tmp_path)
    fill_shop(migrated)
    return tmp_path


@pytest.fixture
def url(directory: Path, migrated: Postgres) -> Iterator[str]:
    """Where the pages are."""
    with served(directory, migrated, "web") as address:
        yield address


def set_clock(directory: Path, hours: float) -> None:
    """Put the service's clock ahead."""
    path = directory / "config" / "cart-runtime" / "CLOCK"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(hours * 3600), encoding="utf-8")
