"""The service on the tests' shop."""

from collections.abc import Iterator

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.cart.service.service import CartService
from tests.cart.store.shop import NOW, Shop


@pytest.fixture
def shop(migrated: Postgres) -> Iterator[Shop]:
    """The shop."""
    made = Shop(migrated)
    yield made
    made.engine.dispose()


@pytest.fixture
def service(shop: Shop) -> CartService:
    """The shop's service, at the tests' time."""
    return CartService(shop.engine, "shop", clock=lambda: NOW)
