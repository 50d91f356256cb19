"""The reader of `runbooks/postgres/roles.sql` runs the commands that read application, cluster and journal, too."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.sandbox.names import DATABASE
from tests.database.test_migrate import run_sql
from tests.sandbox_fixture import Sandbox
from tests.services import Server

SCRIPT = Path(__file__).parents[2] / "runbooks/postgres/roles.sql"
ROLES = ("rt_deployer", "rt_owner", "rt_reader")
QUICK = {"CARTCTL_METRICS__KIND": "scrape", "CARTCTL_MONITOR__MINIMUM_REQUESTS": "1"}
READ_ONLY = (
    ("health",),
    ("smoke",),
    ("monitor", "--once"),
    ("plan",),
    ("deploy", "--plan"),
    ("history",),
    ("report",),
    ("logs",),
    ("flags", "list"),
    ("flags", "eval", "--company", "c0000001"),
    ("rollout", "status"),
    ("rollback", "--plan"),
    ("rollback", "--database", "--plan"),
    ("unlock",),
    ("snapshot", "list"),
)


@pytest.fixture
def reader(sandbox: Sandbox, pg15: Server) -> Iterator[dict[str, str]]:
    """The environment variables with which the program is the reader on the sandbox's database."""
    server = EmbeddedPostgres(sandbox.layout.postgres)
    names = [f"-v{role.removeprefix('rt_')}={role}" for role in ROLES]
    dsn = server.dsn("postgres", DATABASE)
    psql: list[str | Path] = [pg15.bin / "psql", "-X", "-q", *names, "-d", dsn, "-f", SCRIPT]
    subprocess.run(psql, check=True, capture_output=True)
    yield {"CARTCTL_DATABASE__DSN": make_conninfo(server.dsn("rt_reader", DATABASE))}
    run_sql(sandbox.superuser, f"DROP OWNED BY {', '.join(ROLES)}", f"DROP ROLE {', '.join(ROLES)}")


def test_the_reader_observes_a_deployment(sandbox: Sandbox, reader: dict[str, str]) -> None:
    """Every command ends as for the deployer, and none is denied anything."""
    deployed = cartctl("deploy", "--yes", "--monitor-for", "2s")
    assert deployed.returncode == 0, deployed.stderr
    differences = []
    for line in READ_ONLY:
        ours, theirs = cartctl(*line), cartctl(*line, **reader)
        denied = "permission denied" in theirs.stdout + theirs.stderr
        if ours.returncode != theirs.returncode or denied:
            differences.append(
                (line, ours.returncode, theirs.returncode, theirs.stdout[-800:], theirs.stderr)
            )
    assert differences == []
    failed = [
        row.split() for row in cartctl("preflight", **reader).stdout.splitlines() if row.startswith("fail")
    ]
    assert {row[1].partition(".")[0] for row in failed} == {"database", "verdict"}, (
        failed
    )  # it may not change it


def cartctl(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The program in the sandbox's environment."""
    command = [sys.executable, "-m", "cartctl", "--env", "sandbox", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **QUICK, **env}
    )
