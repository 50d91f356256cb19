"""A database with a few rows, a store of its own, and one snapshot per test that asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.engine.pulse import Pulse
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.manifest.manifest import Manifest
from cartctl.snapshots.storage.local import Store
from tests.services import Server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store whose directory does not exist yet."""
    return Store(tmp_path / "snapshots")


@pytest.fixture
def subject(platform_database: Postgres) -> Subject:
    """A database with three companies, migration heads, a Prisma ledger and a journal."""
    with platform_database.session("tests") as connection:
        connection.execute("INSERT INTO companies (id, name) VALUES ('a', 'A'), ('b', 'B'), ('c', 'C')")
        connection.execute("CREATE SCHEMA cartctl CREATE TABLE alembic_version (version_num varchar(32))")
        connection.execute("INSERT INTO cartctl.alembic_version VALUES ('20260101140542')")
        connection.execute("CREATE TABLE _prisma_migrations (id text)")
        connection.execute("INSERT INTO _prisma_migrations VALUES ('x'), ('y')")
        connection.execute("CREATE SCHEMA cartctl_journal CREATE TABLE event (id int)")
        connection.execute("CREATE EXTENSION IF NOT EXISTS plpgsql")
    return Subject("test", platform_database, lambda _: "fingerprint")


@pytest.fixture
def made(subject: Subject, store: Store) -> Manifest:
    """A complete snapshot called `one`."""
    return create(subject, store, "one", Pulse())


@pytest.fixture
def each_server(server: Server) -> Iterator[Postgres]:
    """A platform database on each supported server in turn."""
    database = server.create_platform()
    yield database
    server.drop(database)
