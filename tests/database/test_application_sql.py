"""The application's files run as they are: in a transaction where PostgreSQL allows it, and as Prisma runs them otherwise."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres, SqlFailed
from cartctl.database.migrations.application.file_statements import Created, read_statements
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.dry_run import dry_run
from cartctl.database.migrations.preview import preview
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from cartctl.migrations.frozen import NAMES
from tests.database.applications import NOTIFICATIONS, write_application, write_file
from tests.database.conftest import Settings
from tests.database.test_migrate import LEDGER, run_sql

ROWS = """SELECT finished_at IS NOT NULL, rolled_back_at IS NULL, applied_steps_count, logs IS NULL, checksum
          FROM _prisma_migrations WHERE migration_name = '{}' ORDER BY started_at"""
FIRST, SECOND, THIRD = NAMES


@pytest.fixture
def directory(platform_database: Postgres, tmp_path: Path) -> Path:
    """The application's files, for a database with its ledger."""
    run_sql(platform_database, NOTIFICATIONS, LEDGER)
    return write_application(tmp_path / "migrations")


def change(directory: Path, name: str, *, before: str = "", after: str = "") -> bytes:
    """Add statements to a file; gives its content."""
    path = directory / name / "migration.sql"
    path.write_text(before + path.read_text() + after)
    return path.read_bytes()


def test_a_file_with_its_own_transaction_runs_as_prisma_runs_it(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path
) -> None:
    """BEGIN and COMMIT of the file are its own: it runs outside ours, and its row is Prisma's."""
    content = change(directory, SECOND, before="BEGIN;\n", after="COMMIT;\n")
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    tried = dry_run(platform_database, configured, pulse)
    assert ([each.name for each in tried.migrations], tried.skipped) == ([FIRST], (SECOND, THIRD))
    assert deploy(platform_database, configured, "run", pulse).applied == NAMES
    checksum = hashlib.sha256(content).hexdigest()
    assert run_sql(platform_database, ROWS.format(SECOND)) == [(True, True, 1, True, checksum)]
    assert verify(platform_database, configured).bad() == []


def test_a_failure_outside_a_transaction_is_named_and_stops_what_follows(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path
) -> None:
    """A part may be committed: the row stays failed with the error, and the next command names it."""
    change(directory, SECOND, before="BEGIN;\n", after="COMMIT;\nSELECT nonsense;\n")
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    with pytest.raises(StepFailed, match=f"{SECOND}.*nonsense.*Part of it may be in place") as failed:
        deploy(platform_database, configured, "run", pulse)
    assert f"resolve --applied {SECOND}" in failed.value.hint
    assert [row[:4] for row in run_sql(platform_database, ROWS.format(SECOND))] == [(False, True, 0, False)]
    assert status(platform_database, configured).applied == NAMES[:1]
    with pytest.raises(Refused, match=f"contains a failed migration that was not resolved: {SECOND}"):
        deploy(platform_database, configured, "run-2", pulse)
    run_sql(platform_database, "UPDATE _prisma_migrations SET finished_at = now() WHERE finished_at IS NULL")
    assert deploy(platform_database, configured, "run-3", pulse).adopted == (SECOND,)
    assert verify(platform_database, configured).bad() == []


def test_concurrently_beside_other_statements_is_refused_first(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path
) -> None:
    """PostgreSQL refuses it in a file of several statements, whoever runs it: named before anything is changed."""
    change(directory, SECOND, after='CREATE INDEX CONCURRENTLY "more" ON "carts"("notes");\n')
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    for act in (
        lambda: deploy(platform_database, configured, "run", pulse),
        lambda: dry_run(platform_database, configured, pulse),
    ):
        with pytest.raises(Refused, match=f'{SECOND} together with others: CREATE INDEX CONCURRENTLY "more"'):
            act()
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [(None,)]


def test_a_single_statement_that_no_transaction_allows_runs_alone(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path
) -> None:
    """A file of one CONCURRENTLY is executed outside a transaction, like Prisma's; here the other indexes exist already."""
    statements = (directory / SECOND / "migration.sql").read_text().split(";\n")
    write_file(
        directory, SECOND, statements[0].strip().replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY") + ";\n"
    )
    write_file(
        directory, FIRST, (directory / FIRST / "migration.sql").read_text() + ";\n".join(statements[1:])
    )
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    assert deploy(platform_database, configured, "run", pulse).applied == NAMES
    assert verify(platform_database, configured).bad() == []
    assert [row[:4] for row in run_sql(platform_database, ROWS.format(SECOND))] == [(True, True, 1, True)]


USE = 'ALTER TABLE "orders" ADD COLUMN "notify" "NotificationType" NOT NULL DEFAULT \'CART_ABANDONED\';\n'


def test_a_label_used_in_its_own_file_fails_whole(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path
) -> None:
    """As with Prisma's native engine; dry run and run say the same, nothing is left, and the hint says how to write it."""
    change(directory, FIRST, after=USE)
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    for act in (
        lambda: dry_run(platform_database, configured, pulse),
        lambda: deploy(platform_database, configured, "run", pulse),
    ):
        with pytest.raises(SqlFailed, match=f"{FIRST} failed and was rolled back: unsafe use") as failed:
            act()
        assert "into a later migration" in failed.value.hint
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [(None,)]


def test_a_label_used_in_a_later_file_works(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path
) -> None:
    """Each file is committed before the next: the dry run, which is one transaction, says what it did not execute."""
    change(directory, THIRD, after=USE)
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    assert dry_run(platform_database, configured, pulse).skipped == (THIRD,)
    assert deploy(platform_database, configured, "run", pulse).applied == NAMES
    assert verify(platform_database, configured).bad() == []


def test_line_ends_of_windows_are_kept(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path
) -> None:
    """The checksum is that of the exact file; the same file with other line ends is no edited one."""
    for name in NAMES:
        path = directory / name / "migration.sql"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    deploy(platform_database, configured, "run", pulse)
    content = (directory / FIRST / "migration.sql").read_bytes()
    assert run_sql(platform_database, ROWS.format(FIRST))[0][4] == hashlib.sha256(content).hexdigest()
    assert status(platform_database, configured).prisma.problems == ()
    (directory / FIRST / "migration.sql").write_bytes(content.replace(b"\r\n", b"\n"))
    assert status(platform_database, configured).prisma.problems == ()


def test_statements_are_read_as_postgresql_reads_them() -> None:
    """Comments, strings, quoted names and function bodies hide nothing and give nothing away."""
    content = b"""
    -- CREATE TABLE "no" (); BEGIN;
    /* CREATE TABLE no2 (); /* nested */ COMMIT; */
    CREATE TABLE public."Cart Events" ("id" TEXT, note TEXT DEFAULT 'a;b''; COMMIT;');
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN RETURN NEW; END; $body$;
    CREATE TABLE IF NOT EXISTS maybe (id int);
    ALTER TABLE ONLY "sites" ADD COLUMN "theme" TEXT DEFAULT E'it\\'s; ', ADD CONSTRAINT "c" CHECK (true), ADD plain INT;
    ALTER TYPE "Kind" ADD VALUE IF NOT EXISTS 'A'; ALTER TYPE "Kind" ADD VALUE 'B';
    DROP INDEX "again"; CREATE UNIQUE INDEX "again" ON "sites"("theme"); CREATE INDEX Folded ON sites (theme)
    """
    file = read_statements(content)
    assert file.created == (
        Created("table", "Cart Events"),
        Created("column", "theme", "sites"),
        Created("constraint", "c", "sites"),
        Created("column", "plain", "sites"),
        Created("label", "B", "Kind"),
        Created("index", "folded"),
    )
    assert (file.controls, file.outside) == (None, None)
    assert read_statements(b"start transaction; select 1; commit").controls == "start transaction"
    assert read_statements(b"ROLLBACK TO SAVEPOINT a").controls is None
    assert read_statements(b"create index concurrently x on y (z)").outside
    assert read_statements(b"VACUUM carts").outside


@pytest.mark.parametrize(
    ("encoded", "fault"),
    (
        (lambda text: text.encode("utf-16"), "is in UTF-16"),
        (lambda text: text.encode("utf-8-sig"), "begins with a byte order mark"),
        (lambda text: text.encode() + "-- für".encode("latin-1"), r"is not in UTF-8 \(byte \d+\)"),
        (lambda text: text.encode() + b"-- \0\n", "contains a null character"),
    ),
)
def test_a_file_in_another_encoding_is_refused_before_any_other_runs(
    platform_database: Postgres,
    settings: Settings,
    pulse: Pulse,
    directory: Path,
    encoded: Callable[[str], bytes],
    fault: str,
) -> None:
    """The last file as PowerShell or an editor writes it: named by plan, dry run and run, and nothing is applied."""
    path = directory / THIRD / "migration.sql"
    path.write_bytes(encoded(path.read_text()))
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    for act in (
        lambda: preview(platform_database, configured),
        lambda: dry_run(platform_database, configured, pulse),
        lambda: deploy(platform_database, configured, "run", pulse),
    ):
        with pytest.raises(Refused, match=f"{THIRD} {fault}"):
            act()
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [(None,)]
    assert run_sql(platform_database, "SELECT count(*) FROM _prisma_migrations") == [(0,)]
