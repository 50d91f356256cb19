"""`cartctl migrate deploy` as a whole process against `alembic upgrade head` and the checks, Sqitch and Prisma, where they are.

Run: python benchmarks/migrate_process.py [runs]. Fresh copies of the platform's database, in turn. The target: faster than
each, though it also locks, journals, reads the catalogue and verifies every object. All execute the same frozen files;
Alembic's checks are those of `migrate verify`. Prisma's engine is the one inside its package, over Node's own driver.
Against Prisma also in a database with its ledger, through the application's files: those that are the same as ours, and others that
do more, each judged in its own transaction by what it creates. The target there: at most half of Prisma's CPU time, without the
database server's.
"""

import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.adapters.postgres_server.scratch import scratch_server
from cartctl.database.migrations.export import Form, export
from cartctl.migrations.frozen import MIGRATIONS

RUNS = 7
ALEMBIC = """import sys, psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
with psycopg.connect(sys.argv[1], autocommit=True) as made:
    made.execute("CREATE SCHEMA cartctl")
with create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(sys.argv[1])).begin() as connection:
    config = Config()
    config.set_main_option("script_location", "cartctl:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection)
    command.upgrade(config, "head")
"""
CONFIG = """[env.bench]
database = {{ dsn = "{dsn}"{more} }}
cluster = {{ kind = "kubernetes", context = "none" }}
http = {{ api = "http://127.0.0.1:1" }}
"""
PACKAGES = ("prisma@6.19.3", "@prisma/adapter-pg@7.10.1")  # this adapter reads what that engine asks
PRISMA = """import { PrismaPg } from "@prisma/adapter-pg";
export default {
  schema: "schema.prisma", migrations: { path: "migrations" }, experimental: { adapter: true }, engine: "js",
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
};
"""
PRISMA_SCHEMA = 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n'
BASELINE = "20250101000000_platform"
LEDGER = """CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
applied_steps_count INTEGER NOT NULL DEFAULT 0)"""


MORE = 'ALTER TABLE "sites" ADD COLUMN "cartTheme" TEXT;\nCREATE INDEX "sites_cartTheme_idx" ON "sites"("cartTheme");\n'


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of a process and the processes that it waited for: on the clock, and of CPU."""

    wall: float
    cpu: float

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(self.wall + other.wall, self.cpu + other.cpu)


class Bench:
    """The ways, each on a database of its own."""

    def __init__(self, server: Postgres, home: Path, bin_directory: Path) -> None:
        self._server = server
        self._home = home
        self._bin = bin_directory
        self._numbers = iter(range(10_000))

    def database(self) -> Postgres:
        """A fresh copy of the platform's database."""
        name = f"shop{next(self._numbers)}"
        with self._server.session("bench") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE platform".encode())
        return self._server.database(name)

    def cartctl(self) -> Taken:
        """Of `migrate deploy`."""
        return self._run(self._program("migrate", "deploy"))

    def same_files(self) -> Taken:
        """Of `migrate deploy` through files of an application that are the same as ours."""
        return self._application(self._home / "prisma" / "migrations")

    def other_files(self) -> Taken:
        """Of `migrate deploy` through files of an application with narrower numbers, an index and a column of `sites`."""
        directory = self._home / "other"
        for migration in MIGRATIONS:
            (directory / migration.name).mkdir(parents=True, exist_ok=True)
            text = re.sub(r"NUMERIC\(12,2\)", "DECIMAL(10,2)", migration.up.decode())
            more = MORE if migration is MIGRATIONS[0] else ""
            (directory / migration.name / "migration.sql").write_text(text + more)
        return self._application(directory)

    def _application(self, directory: Path) -> Taken:
        database = self._with_ledger()
        return self._run(self._program("migrate", "deploy"), self._environment(database, directory))

    def alembic(self) -> Taken:
        """Of Alembic and of the checks, two processes as one would run them."""
        database = self.database()
        env = self._environment(database)
        return self._run([sys.executable, "-c", ALEMBIC, database.dsn], env) + self._run(
            self._program("migrate", "verify"), env
        )

    def sqitch(self) -> Taken:
        """Of `sqitch deploy`, without any check."""
        project, database = self._home / "sqitch", self.database()
        if not project.exists():
            project.mkdir()
            (project / "deploy").mkdir()
            (project / "sqitch.conf").write_text(
                "[core]\n\tengine = pg\n[user]\n\tname = b\n\temail = b@example.org\n"
            )
            lines = ["%syntax-version=1.0.0", "%project=shop", ""]
            for migration in MIGRATIONS:
                lines.append(f"m{migration.revision} 2026-01-01T00:00:00Z b <b@example.org> # x")
                text = migration.script(strict=True).decode()
                (project / "deploy" / f"m{migration.revision}.sql").write_text(f"BEGIN;\n{text}\nCOMMIT;\n")
            (project / "sqitch.plan").write_text("\n".join(lines) + "\n")
        with database.session("bench") as connection:
            host, port, name = connection.info.host, connection.info.port, connection.info.dbname
        target = f"db:pg://postgres@/{name}?host={host};port={port}"
        argv = [
            "sqitch",
            "-C",
            str(project),
            "deploy",
            "--no-verify",
            "--client",
            str(self._bin / "psql"),
            target,
        ]
        return self._run(argv, {**os.environ, "PGHOST": host, "PGPORT": str(port), "PGUSER": "postgres"})

    def _with_ledger(self) -> Postgres:
        """A fresh copy of the platform's database, which Prisma has made."""
        project, database = self._home / "prisma", self.database()
        with database.session("bench") as connection:
            connection.execute(LEDGER.encode())
            baseline = (project / "migrations" / BASELINE / "migration.sql").read_bytes()
            values = (BASELINE, hashlib.sha256(baseline).hexdigest())
            connection.execute(
                """INSERT INTO _prisma_migrations (id, migration_name, checksum, finished_at, applied_steps_count)
                   VALUES ('baseline', %s, %s, now(), 1)""",
                values,
            )
        return database

    def prisma(self) -> Taken:
        """Of `prisma migrate deploy`, without any check; the platform is a migration it has had."""
        project, database = self._home / "prisma", self._with_ledger()
        with database.session("bench") as connection:
            host, name = connection.info.host, connection.info.dbname
        unused = str(project / "unused")  # engines it would otherwise fetch, and never calls
        env = {
            **os.environ,
            "DATABASE_URL": f"postgresql://postgres@localhost/{name}?host={host}",
            "CHECKPOINT_DISABLE": "1",
            "PRISMA_QUERY_ENGINE_LIBRARY": unused,
            "PRISMA_SCHEMA_ENGINE_BINARY": unused,
        }
        argv = [
            "node",
            "node_modules/prisma/build/index.js",
            "migrate",
            "deploy",
            "--config",
            "prisma.config.mjs",
        ]
        return self._run(argv, env, project)

    def has_prisma(self) -> bool:
        """Whether Node is there and its packages could be installed; makes the project."""
        project = self._home / "prisma"
        project.mkdir()
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            return False
        options = ("--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--no-save")
        asked = [npm, "install", *options, "--prefix", str(project), *PACKAGES]
        if subprocess.run(asked, check=False, capture_output=True, cwd=project, timeout=180).returncode != 0:
            return False
        (project / "prisma.config.mjs").write_text(PRISMA)
        (project / "schema.prisma").write_text(PRISMA_SCHEMA)
        (project / "unused").touch(mode=0o755)
        folder = project / "migrations" / BASELINE
        folder.mkdir(parents=True)
        (folder / "migration.sql").write_text("SELECT 1;\n")
        export(Form("prisma"), project / "migrations")
        return True

    def _program(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "cartctl", *words]

    def _environment(self, database: Postgres, prisma_dir: Path | None = None) -> dict[str, str]:
        file = self._home / f"{database.name}.toml"
        more = f', migrations = {{ prisma_dir = "{prisma_dir}" }}' if prisma_dir else ""
        file.write_text(CONFIG.format(dsn=database.dsn, more=more))
        return {**os.environ, "CARTCTL_CONFIG": str(file), "CARTCTL_STATE_DIR": str(self._home / "state")}

    def _run(self, argv: list[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> Taken:
        env = env or self._environment(self.database())
        began = time.perf_counter()
        process = subprocess.Popen(
            argv, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        taken = Taken(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, argv
        return taken


def main() -> None:
    """Print medians."""
    with scratch_server(18) as server, tempfile.TemporaryDirectory() as place:
        with server.session("bench") as connection:
            connection.execute("ALTER SYSTEM RESET ALL")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE platform")
            tools = find_tools(connection.info.server_version)
        with server.database("platform").session("bench") as connection:
            connection.execute((files("cartctl.sandbox") / "platform.sql").read_bytes())
        bench = Bench(server, Path(place), tools.bin)
        ways: dict[str, Callable[[], Taken]] = {"cartctl": bench.cartctl, "alembic and checks": bench.alembic}
        if shutil.which("sqitch"):
            ways["sqitch"] = bench.sqitch
        if bench.has_prisma():
            ways["prisma"] = bench.prisma
            ways |= {"application, same": bench.same_files, "application, other": bench.other_files}
        taken: dict[str, list[Taken]] = {name: [] for name in ways}
        for number in range((int(sys.argv[1]) if len(sys.argv) > 1 else RUNS) + 1):
            for name, way in ways.items():
                seconds = way()
                if number:  # the first one fills caches
                    taken[name].append(seconds)
        for name, each in taken.items():
            walls, cpus = [one.wall for one in each], [one.cpu for one in each]
            ratio = statistics.median(
                one.wall / other for one, other in zip(taken["cartctl"], walls, strict=True)
            )
            told = f"{statistics.median(walls):.2f} s (fastest {min(walls):.2f}), CPU {statistics.median(cpus):.2f} s"
            print(f"{name:24}{told}, cartctl takes {ratio:.2f} of its time (target 1)")
        for name in ("application, same", "application, other"):
            if name in taken:
                pairs = zip(taken[name], taken["prisma"], strict=True)
                ratio = statistics.median(one.cpu / other.cpu for one, other in pairs)
                print(f"{name:24}{ratio:.2f} of prisma's CPU time (target 0.5)")


if __name__ == "__main__":
    main()
