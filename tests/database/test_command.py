"""`cartctl migrate` as a user runs it: text, JSON and exit codes."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.engine.lock import KEY
from cartctl.migrations.frozen import MIGRATIONS, NAMES
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
            env={**os.environ, "CARTCTL_STATE_DIR": str(self.file.parent / "state")},
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
    assert "No pending migrations" in cartctl("migrate", "deploy").stdout
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


def test_a_deployment_is_a_run_of_its_own(cartctl: Cartctl, platform_database: Postgres) -> None:
    """It stands in the history with the catalogue before it, under the lock of all runs; a second one is no run."""
    assert cartctl("migrate", "deploy").returncode == 0
    assert cartctl("migrate", "deploy").returncode == 0
    rows = run_sql(
        platform_database,
        "SELECT key, event FROM cartctl_journal.event WHERE key <> 'journal' ORDER BY id",
    )
    assert rows == [
        ("lock", "acquired"),
        ("run", "started"),
        ("fingerprint", "applied"),
        ("migrate", "applied"),
        ("run", "finished"),
    ]


def test_it_is_refused_beside_another_run(cartctl: Cartctl, platform_database: Postgres) -> None:
    """While a run lives exit 8 names it; while one is unfinished exit 3 names the ways on."""
    assert cartctl("migrate", "deploy").returncode == 0
    run_sql(platform_database, "DELETE FROM cartctl.alembic_version", "DROP SCHEMA cartctl CASCADE")
    with platform_database.session("run other") as holder:
        holder.execute("SELECT pg_advisory_lock(%s, %s)", KEY)
        held = cartctl("migrate", "deploy")
    assert (held.returncode, "run other" in held.stderr) == (8, True)
    run_sql(
        platform_database,
        "INSERT INTO cartctl_journal.event (run, at, key, event, data) "
        "VALUES ('29990101-000000-abcd', now(), 'run', 'started', '{\"plan\": \"deploy\"}')",
    )
    refused = cartctl("migrate", "deploy")
    assert (refused.returncode, "cartctl deploy --resume" in refused.stderr) == (3, True)


def test_a_killed_migration_is_taken_up(cartctl: Cartctl, platform_database: Postgres) -> None:
    """A run that died after its fingerprint goes on under its own id, with that fingerprint."""
    assert cartctl("migrate", "deploy").returncode == 0
    run_sql(
        platform_database,
        "DELETE FROM cartctl_journal.event WHERE (key, event) IN (('migrate', 'applied'), ('run', 'finished'))",
    )
    (file,) = cartctl.file.parent.glob("state/environments/*/runs/*.ndjson")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:3]))
    run_sql(platform_database, "DROP TABLE cart_promotions", "DELETE FROM cartctl.alembic_version")
    run_sql(platform_database, "INSERT INTO cartctl.alembic_version VALUES ('20260101140600')")
    assert cartctl("migrate", "deploy").returncode == 0
    rows = run_sql(
        platform_database,
        "SELECT count(DISTINCT run), count(*) FILTER (WHERE key = 'fingerprint') FROM cartctl_journal.event "
        "WHERE key <> 'journal'",
    )
    assert rows == [(1, 1)]


def test_a_database_of_another_tool_is_adopted(cartctl: Cartctl, platform_database: Postgres) -> None:
    """What lacks something is refused with the name; what is whole is recorded, and no table changes."""
    run_sql(
        platform_database,
        *(each.up.decode() for each in MIGRATIONS[:2]),
        "ALTER TABLE wishlist_items RENAME TO other",
    )
    refused = cartctl("migrate", "adopt")
    assert (refused.returncode, "wishlist_items is missing" in refused.stderr) == (3, True)
    run_sql(platform_database, "ALTER TABLE other RENAME TO wishlist_items", MIGRATIONS[2].up.decode())
    oid = run_sql(platform_database, "SELECT 'carts'::regclass::oid")
    assert cartctl.json("migrate", "adopt")["adopted"] == list(NAMES)
    assert run_sql(platform_database, "SELECT 'carts'::regclass::oid") == oid
    assert cartctl("migrate", "verify").returncode == 0


def test_a_protected_environment_is_not_dry_run_by_chance(
    cartctl: Cartctl, platform_database: Postgres
) -> None:
    """Its locks are taken only at a person's word, and in the window."""
    (cartctl.file.parent / "dsn").write_text(platform_database.dsn)
    text = cartctl.file.read_text().replace(f'"{platform_database.dsn}"', '{ file = "dsn" }')
    cartctl.file.write_text(text.replace("[env.here]", "[env.here]\nprotected = true"))
    refused = cartctl("migrate", "deploy", "--dry-run")
    assert (refused.returncode, "cartctl rehearse" in refused.stderr) == (3, True)
    assert cartctl("migrate", "deploy", "--dry-run", "--yes").returncode == 0
    never = f'window = {{ freeze = ["{datetime.now(UTC):%Y-%m-%d}"] }}'
    cartctl.file.write_text(cartctl.file.read_text() + never + "\n")
    outside = cartctl("migrate", "deploy", "--dry-run", "--yes")
    assert (outside.returncode, "is frozen" in outside.stderr) == (3, True)


def test_the_other_commands_answer(cartctl: Cartctl, tmp_path: Path) -> None:
    """Dry run, index, lint and export end well, as text and as JSON."""
    assert "Rolled back" in cartctl("migrate", "deploy", "--dry-run").stdout
    assert cartctl.json("migrate", "deploy", "--dry-run")["kind"] == "dry_run"
    assert "No index is missing" in cartctl("migrate", "index").stdout
    assert cartctl("migrate", "lint").returncode == 0
    assert "written" in cartctl("migrate", "export", "--format", "prisma", str(tmp_path / "out")).stdout
    assert cartctl("migrate", "export", "--format", "xml", str(tmp_path / "out")).returncode == 2


def test_a_wrong_address_is_one_sentence(tmp_path: Path) -> None:
    """A database that does not respond exits 2 with a hint and without its password."""
    wrong = Cartctl(tmp_path, Postgres("postgresql://me:hunter2@127.0.0.1:1/x"))("migrate", "status")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "does not respond" in wrong.stderr
    assert "hunter2" not in wrong.stderr


def test_a_report_is_of_the_latest_run_unless_one_is_named(cartctl: Cartctl) -> None:
    """Without any run it is refused; afterwards it is the newest one's, and a named one's as before."""
    text = cartctl.file.read_text().replace('cluster = { kind = "kubernetes", context = "none" }\n', "")
    cartctl.file.write_text(text)
    missing = cartctl("report")
    assert (missing.returncode, "No runs" in missing.stderr) == (3, True), missing.stderr
    for line in (("migrate", "deploy"), ("rollback", "--database", "--yes", "--application-stopped")):
        done = cartctl(*line)
        assert done.returncode == 0, done.stderr
    newest, older = (run["run"] for run in cartctl.json("history")["runs"])
    assert (cartctl.json("report")["run"], cartctl.json("report", older)["run"]) == (newest, older)
