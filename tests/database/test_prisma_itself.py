"""Prisma's own `migrate deploy`, the real one, beside ours on the same database.

Its schema engine is the one inside its package, over a driver adapter of Node's: nothing else is downloaded.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from cartctl.adapters.postgres import Postgres
from cartctl.database.migrations.adopt import adopt
from cartctl.database.migrations.export import Form, export
from cartctl.database.migrations.guards import PRISMA_KEY
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.database.conftest import Settings
from tests.database.test_drop import Deployed
from tests.database.test_migrate import run_sql
from tests.services import PLATFORM_SQL, long, require_packages

PACKAGES = ("prisma@6.19.3", "@prisma/adapter-pg@7.10.1")  # this adapter reads what that engine asks
PLATFORM = "20250101000000_platform"
CONFIGURATION = """
import { PrismaPg } from "@prisma/adapter-pg";
export default {
  schema: "schema.prisma", migrations: { path: "migrations" }, experimental: { adapter: true }, engine: "js",
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
};
"""
SCHEMA = 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n'
ROWS = """SELECT migration_name, checksum, applied_steps_count, finished_at IS NOT NULL, rolled_back_at IS NULL
FROM _prisma_migrations WHERE migration_name <> '20250101000000_platform' ORDER BY 1"""
OURS = [(each.name, each.checksum, 1, True, True) for each in MIGRATIONS]


@dataclass
class Prisma:
    """The application's repository: its migrations directory and its tool."""

    home: Path
    address: str

    @property
    def migrations(self) -> Path:
        """Where its migrations are."""
        return self.home / "migrations"

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """Begin `prisma migrate …`."""
        unused = str(self.home / "unused")  # engines it would otherwise fetch, and never calls
        return subprocess.Popen(
            ["node", "node_modules/prisma/build/index.js", "migrate", *argv, "--config", "prisma.config.mjs"],
            cwd=self.home,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "DATABASE_URL": self.address,
                "CHECKPOINT_DISABLE": "1",
                "PRISMA_QUERY_ENGINE_LIBRARY": unused,
                "PRISMA_SCHEMA_ENGINE_BINARY": unused,
            },
        )

    def __call__(self, *argv: str) -> str:
        """Run it to its end; gives what it said, which must be a success."""
        with self.start(*argv) as running:
            result, _ = running.communicate(timeout=120)
        assert running.returncode == 0, result
        return result


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tool, installed once."""
    home = tmp_path_factory.mktemp("prisma")
    require_packages(home, *PACKAGES)
    (home / "prisma.config.mjs").write_text(CONFIGURATION)
    (home / "schema.prisma").write_text(SCHEMA)
    (home / "unused").touch(mode=0o755)
    return home


@pytest.fixture
def prisma(packages: Path, empty_database: Postgres) -> Iterator[Callable[..., Prisma]]:
    """Makes a repository with the platform's migration alone; the tool has run it when asked to."""

    def make(*, ours: bool) -> Prisma:
        parts = conninfo_to_dict(empty_database.dsn)
        address = f"postgresql://{parts['user']}@localhost/{parts['dbname']}?host={parts['host']}"
        made = Prisma(packages, address)
        folder = made.migrations / PLATFORM
        folder.mkdir(parents=True)
        lines = PLATFORM_SQL.read_text().splitlines(keepends=True)
        # The adapter cuts a script at every semicolon, those of comments too.
        (folder / "migration.sql").write_text("".join(line for line in lines if not line.startswith("--")))
        if ours:
            export(Form("prisma"), made.migrations)
        made("deploy")
        return made

    yield make
    subprocess.run(["rm", "-r", packages / "migrations"], check=True)


@long
def test_it_accepts_the_exported_folders(
    prisma: Callable[..., Prisma], empty_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """It applies our exported files; its ledger then says of them what ours would have said, and they are adopted."""
    prisma(ours=True)
    assert run_sql(empty_database, ROWS) == OURS
    configured = settings(empty_database)
    assert status(empty_database, configured).prisma.problems == ()
    assert adopt(empty_database, configured, "run", pulse).adopted == NAMES
    assert verify(empty_database, configured).verdict is Verdict.PASS
    assert run_sql(empty_database, ROWS) == OURS


@long
def test_it_finds_what_we_did_and_what_we_took_back(
    prisma: Callable[..., Prisma], empty_database: Postgres, settings: Settings, tmp_path: Path
) -> None:
    """After our deployment nothing is pending for it; after our rollback it applies all three, waiting for our lock."""
    application = prisma(ours=False)
    export(Form("prisma"), application.migrations)
    ours = settings(empty_database, migrations={"prisma_dir": str(application.migrations)})
    done = Deployed(empty_database, ours, tmp_path / "run")
    assert run_sql(empty_database, ROWS) == OURS
    assert "No pending migrations" in application("deploy")
    assert "up to date" in application("status")
    done.drop()
    assert run_sql(empty_database, ROWS) == []
    with empty_database.session("holder") as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (PRISMA_KEY,))
        with application.start("deploy") as waiting:
            _wait_for_a_waiter(empty_database)
            assert run_sql(empty_database, "SELECT to_regclass('carts')::text") == [(None,)]
            holder.execute("SELECT pg_advisory_unlock(%s)", (PRISMA_KEY,))
            result, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, result
    assert run_sql(empty_database, ROWS) == OURS


def _wait_for_a_waiter(database: Postgres) -> None:
    waiter = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = {PRISMA_KEY}"
    end = time.monotonic() + 60
    while not run_sql(database, waiter):
        assert time.monotonic() < end, "nobody waits for the lock"
        time.sleep(0.1)
