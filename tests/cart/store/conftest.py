"""A shop in a database that cartctl has migrated."""

from collections.abc import Iterator

import pytest

from cartctl.adapters.postgres import Postgres
from tests.cart.store.shop import Shop


@pytest.fixture
def shop(migrated: Postgres) -> Iterator[Shop]:
    """The shop."""
    made = Shop(migrated)
    yield made
    made.engine.dispose()
