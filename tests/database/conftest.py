"""Databases as the tests of this folder want them: migrated ones copied from a template, settings, a quick pulse."""

from collections.abc import Callable, Iterator

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.config.model import Database
from cartctl.config.values import Secret
from cartctl.database.migrate import deploy
from cartctl.engine.pulse import Pulse
from tests.services import Server

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


@pytest.fixture(scope="session")
def migrated_template(pg18: Server) -> str:
    """The name of a database with the platform's tables and the cart's."""
    database = pg18.create_platform()
    deploy(database, Database(dsn=Secret(literal=database.dsn)), "template", Pulse())
    return pg18.name_of(database)


@pytest.fixture
def migrated(pg18: Server, migrated_template: str) -> Iterator[Postgres]:
    """A database that cartctl has migrated, dropped afterwards."""
    database = pg18.create_database(migrated_template)
    yield database
    pg18.drop(database)
