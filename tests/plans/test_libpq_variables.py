"""With libpq's variables pointing at the target, what runs on servers of our own leaves the target's settings alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres import Postgres
from tests.database.test_command import Cartctl
from tests.database.test_migrate import run_sql
from tests.services import Server, debian_server, long


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Server, Postgres]]:
    """A server that listens on TCP, which every variable of libpq's names, and a platform's database on it."""
    with debian_server(listen_addresses="127.0.0.1", port="54329") as server:
        server.dsn = make_conninfo(server.dsn, port="54329")
        database = server.create_platform()
        (tmp_path / "services").write_text(
            "[target]\nhostaddr=127.0.0.1\nport=54329\nuser=postgres\ndbname=postgres\n"
        )
        for name, value in {
            "PGHOSTADDR": "127.0.0.1",
            "PGPORT": "54329",
            "PGUSER": "postgres",
            "PGDATABASE": database.name,
            "PGSERVICE": "target",
            "PGSERVICEFILE": str(tmp_path / "services"),
        }.items():
            monkeypatch.setenv(name, value)
        yield (
            server,
            Postgres(
                make_conninfo("", host="127.0.0.1", port="54329", user="postgres", dbname=database.name)
            ),
        )


def state(database: Postgres) -> list[tuple[object, ...]]:
    """Settings files, roles and databases of a server."""
    return [
        *run_sql(
            database,
            "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf' ORDER BY 1",
        ),
        *run_sql(database, "SELECT rolname FROM pg_roles ORDER BY 1"),
        *run_sql(database, "SELECT datname FROM pg_database ORDER BY 1"),
    ]


@long
def test_the_target_stays_as_it_was(target: tuple[Server, Postgres], tmp_path: Path) -> None:
    """A rehearsal, a drill and a sandbox that is started, used and stopped: the target has a journal more, and nothing else."""
    _, database = target
    before = state(database)
    line: tuple[str, ...]
    cartctl = Cartctl(tmp_path, database)
    for line in (("rehearse",), ("snapshot", "create"), ("snapshot", "verify", "--drill")):
        done = cartctl(*line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert state(database) == before, line
    for line in (
        ("sandbox", "up"),
        ("--env", "sandbox", "migrate", "deploy"),
        ("--env", "sandbox", "migrate", "verify"),
        ("sandbox", "down", "--purge"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "cartctl", *line],
            env={**os.environ, "CARTCTL_STATE_DIR": str(tmp_path / "sandbox")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert state(database) == before, line
    assert run_sql(database, "SELECT to_regclass('carts')::text") == [(None,)]
