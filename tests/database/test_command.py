"""`cartctl migrate` as a user runs it: text, JSON and exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.migrations.frozen import NAMES
from tests.database.test_migrate import run_sql


class Cartctl:
    """The program, with a configuration for one database."""

    def __init__(self, directory: Path, database: Postgres) -> None:
        self.file = directory / "cartctl.toml"
        self.file.write_text(
            "[env.here]\n"
            f'database = {{ dsn = "{database.dsn}", lock_timeout = "200ms" }}\n'
            'cluster = { kind = "kubernetes", context = "none" }\n'
            'http = { api = "http://127.0.0.1:1" }\n'
        )

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run one command line."""
        return subprocess.run(
            [sys.executable, "-m", "cartctl", "--config", str(self.file), *args],
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *args: str) -> dict[str, Any]:
        """The object a command writes to stdout."""
        read: dict[str, Any] = json.loads(self(*args, "-o", "json").stdout)
        return read


@pytest.fixture
def cartctl(tmp_path: Path, platform_database: Postgres) -> Cartctl:
    """The program on a database without the cart."""
    return Cartctl(tmp_path, platform_database)


def test_from_nothing_to_verified(cartctl: Cartctl) -> None:
    """Status, plan, deploy, again, verify: each says what is so, with exit code 0 once everything is."""
    before = cartctl.json("migrate", "status")
    assert {key: before[key] for key in ("kind", "version", "current", "pending", "applied")} == {
        "kind": "migrations",
        "version": 1,
        "current": None,
        "pending": list(NAMES),
        "applied": [],
    }
    assert before["prisma"] == {"present": False, "rows": [], "problems": []}
    plan = cartctl("migrate", "deploy", "--plan")
    assert (plan.returncode, 'CREATE TABLE "carts"' in plan.stdout) == (0, True)
    assert cartctl("migrate", "verify").returncode == 7
    made = cartctl.json("migrate", "deploy")
    assert (made["kind"], made["applied"], made["heads"]) == ("migrated", list(NAMES), [NAMES[-1][:14]])
    assert "Nothing was pending" in cartctl("migrate", "deploy").stdout
    verified = cartctl("migrate", "verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert cartctl.json("migrate", "status")["current"] == NAMES[-1]


def test_what_is_wrong_is_named(cartctl: Cartctl, platform_database: Postgres) -> None:
    """A world that another shape has taken exits 3 and is named; a broken one exits 7 with the check's name."""
    run_sql(platform_database, "CREATE TABLE carts (id integer)")
    refused = cartctl("migrate", "deploy")
    assert refused.returncode == 3
    assert "column carts.id type is integer, expected text" in refused.stderr
    assert "Traceback" not in refused.stderr
    run_sql(platform_database, "DROP TABLE carts")
    assert cartctl("migrate", "deploy").returncode == 0
    run_sql(platform_database, "DROP INDEX idx_carts_expiration")
    checks = cartctl.json("migrate", "verify")
    assert (checks["kind"], checks["verdict"]) == ("checks", "fail")
    assert [each["name"] for each in checks["checks"] if each["verdict"] == "fail"] == [
        "index idx_carts_expiration on carts"
    ]
    assert cartctl("migrate", "verify").returncode == 7


def test_a_wrong_address_is_one_sentence(tmp_path: Path) -> None:
    """A database that does not answer exits 2 with a hint and without its password."""
    wrong = Cartctl(tmp_path, Postgres("postgresql://me:hunter2@127.0.0.1:1/x"))("migrate", "status")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "does not answer" in wrong.stderr
    assert "hunter2" not in wrong.stderr
