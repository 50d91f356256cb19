"""A database of a benchmark's own: an embedded PostgreSQL in a temporary directory, migrated and filled."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.config.model.environment import Database
from cartctl.config.values import Secret
from cartctl.database.migrations.apply import deploy
from cartctl.engine.pulse import Pulse
from cartctl.sandbox.data.database import start
from cartctl.sandbox.data.fill import Seeded, fill
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.names import APP, DATABASE, DEPLOYER, OWNER


@contextmanager
def arena(keep: str | None = None) -> Iterator[Postgres]:
    """The platform's database, migrated, as its superuser; removed at the end unless it is to be kept in `keep`."""
    directory = Path(keep or tempfile.mkdtemp(prefix="bench-"))
    server = EmbeddedPostgres(directory / "pg")
    start(server, Layout(directory))
    try:
        settings = Database.model_validate(
            {"dsn": Secret(literal=server.dsn(DEPLOYER, DATABASE)), "owner_role": OWNER, "app_role": APP}
        )
        deploy(server.database(DEPLOYER, DATABASE), settings, "benchmark", Pulse())
        yield server.database("postgres", DATABASE)
    finally:
        server.stop()
        if keep is None:
            shutil.rmtree(directory)


def filled(postgres: Postgres, carts: int, companies: int) -> Seeded:
    """Fill it, unless it is filled already."""
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return fill(postgres, carts=carts, count=companies, seed=1, until=until, replace=True, pulse=Pulse())


def progress(line: str) -> None:
    """Tell what happens."""
    sys.stderr.write(line + "\n")
