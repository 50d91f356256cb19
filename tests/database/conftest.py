"""The database part of a configuration, and a pulse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.config.values import Secret
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import MIGRATIONS

Settings = Callable[..., Database]


@pytest.fixture
def settings() -> Settings:
    """Makes the database part of a configuration; keyword arguments are its keys."""

    def make(database: Postgres, **given: object) -> Database:
        return Database.model_validate(
            {"dsn": Secret(literal=database.dsn), "lock_timeout": "200ms", **given}
        )

    return make


def application_files(directory: Path) -> Path:
    """An application's repository whose migrations are the same as ours; its Prisma directory."""
    for migration in MIGRATIONS:
        (directory / migration.name).mkdir(parents=True, exist_ok=True)
        (directory / migration.name / "migration.sql").write_bytes(migration.up)
    return directory


@pytest.fixture
def prisma_dir(tmp_path: Path) -> str:
    """The directory of `application_files`."""
    return str(application_files(tmp_path / "prisma" / "migrations"))


@pytest.fixture
def pulse() -> Pulse:
    """A pulse whose waits are quick."""
    return Pulse()
