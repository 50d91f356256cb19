"""`cartctl snapshot` as a user runs it: restored whole or in part, drilled, pruned."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from tests.database.test_command import Cartctl
from tests.database.test_migrate import run_sql
from tests.services import Server
from tests.snapshots.test_restore import names

ROWS = (
    "INSERT INTO companies (id, name) VALUES ('c', 'C')",
    'INSERT INTO carts (id, "companyId", "updatedAt") SELECT n::text, \'c\', now() FROM generate_series(1, 5) AS n',
)


@pytest.fixture
def cartctl(pg18: Server, tmp_path: Path, migrated: Postgres) -> Iterator[Cartctl]:
    """The program on a migrated database with a few carts, and one snapshot of it."""
    before = names(pg18)
    run_sql(migrated, *ROWS)
    program = Cartctl(tmp_path, migrated)
    assert program("snapshot", "create").returncode == 0
    yield program
    for left in names(pg18) - before:
        pg18.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


def taken(cartctl: Cartctl) -> str:
    """The id of the snapshot."""
    return str(cartctl.json("snapshot", "list")["snapshots"][0]["id"])


def test_a_loss_is_shown_and_wants_consent(cartctl: Cartctl, migrated: Postgres) -> None:
    """Rows lost are named; without consent exit 3, with it the database is as then and the run is in the history."""
    run_sql(migrated, "DELETE FROM carts WHERE id = '1'")
    planned = cartctl("--output", "json", "snapshot", "restore", taken(cartctl), "--plan")
    shown = json.loads(planned.stdout)
    assert (planned.returncode, shown["kind"], shown["changed"]) == (
        3,
        "restore_plan",
        {"public.carts": [5, 4]},
    )
    assert shown["loss"]["tables"][0]["deleted_or_updated"] == 1
    free = cartctl("snapshot", "restore", taken(cartctl), "--plan", "--allow-data-loss")
    assert (free.returncode, "1 deleted or updated" in free.stdout) == (0, True)
    refused = cartctl("snapshot", "restore", taken(cartctl), "--yes")
    assert (refused.returncode, "public.carts 5 → 4" in refused.stderr) == (3, True)
    assert cartctl("snapshot", "restore", taken(cartctl)).returncode == 3
    done = cartctl.json("snapshot", "restore", taken(cartctl), "--yes", "--allow-data-loss")
    assert (done["kind"], done["database"]) == ("restored", migrated.name)
    assert run_sql(migrated, "SELECT count(*) FROM carts") == [(5,)]
    assert run_sql(
        migrated, "SELECT count(*) FROM cartctl_journal.event WHERE key = 'run' AND event = 'finished'"
    ) == [(1,)]


def test_the_carts_alone_come_back(cartctl: Cartctl, migrated: Postgres) -> None:
    """The platform's rows stay as they are; the cart's are the snapshot's, and those replaced are saved."""
    run_sql(migrated, "UPDATE companies SET name = 'now'", "DELETE FROM carts WHERE id = '1'")
    planned = cartctl("--output", "json", "snapshot", "restore", taken(cartctl), "--cart-only", "--plan")
    shown = json.loads(planned.stdout)
    assert (planned.returncode, shown["kind"], shown["rows"]["carts"]) == (3, "cart_restore_plan", [5, 4])
    assert "already hold rows: carts" in shown["refused"][0]
    refused = cartctl("snapshot", "restore", taken(cartctl), "--cart-only", "--yes")
    assert (refused.returncode, "already hold rows" in refused.stderr) == (3, True)
    done = cartctl.json("snapshot", "restore", taken(cartctl), "--cart-only", "--yes", "--allow-data-loss")
    assert (done["kind"], done["rows"]["carts"]) == ("put_back", 5)
    assert Path(done["replaced"], "manifest.json").is_file()
    assert run_sql(migrated, "SELECT name FROM companies") == [("now",)]


def test_drill_and_prune_answer(cartctl: Cartctl) -> None:
    """A drill on a server of its own passes; pruning one snapshot of one removes nothing."""
    checks = cartctl.json("snapshot", "verify", "--drill")
    assert {check["name"]: check["verdict"] for check in checks["checks"]} == dict.fromkeys(
        ("manifest", "checksums", "contents", "restores", "rows", "structure"), "pass"
    )
    assert cartctl.json("snapshot", "prune")["removed"] == []
    for unknown in (
        ("snapshot", "verify", "nothing"),
        ("snapshot", "restore", "nothing", "--yes"),
        ("snapshot", "restore", "nothing", "--plan"),
        ("snapshot", "restore", "nothing", "--cart-only", "--yes"),
        ("snapshot", "prune", "nothing", "--yes"),
        ("snapshot", "prune", "../nothing", "--yes"),
    ):
        ended = cartctl(*unknown)
        assert (ended.returncode, "nothing" in ended.stderr) == (2, True), (unknown, ended.stderr)
    name = taken(cartctl)
    assert cartctl("snapshot", "prune", name).returncode == 3  # nobody to ask
    assert cartctl.json("snapshot", "prune", name, "--yes")["removed"] == [name]
