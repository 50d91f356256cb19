"""The database part of a configuration, and a pulse."""

from collections.abc import Callable

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.config.values import Secret
from cartctl.engine.pulse import Pulse

Settings = Callable[..., Database]


@pytest.fixture
def settings() -> Settings:
    """Makes the database part of a configuration; keyword arguments are its keys."""

    def make(database: Postgres, **given: object) -> Database:
        return Database.model_validate(
            {"dsn": Secret(literal=database.dsn), "lock_timeout": "200ms", **given}
        )

    return make


@pytest.fixture
def pulse() -> Pulse:
    """A pulse whose waits are quick."""
    return Pulse()
