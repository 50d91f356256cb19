"""The application's files are judged by what they create, in their own transaction and without another server."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.migrations.application.file_effect import must_be_tried
from cartctl.database.migrations.application.files import ApplicationFiles
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.dry_run import dry_run
from cartctl.database.migrations.guards import PRISMA_KEY
from cartctl.database.migrations.pending import pending_identifiers
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Run
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from cartctl.steps.database.fingerprint import Fingerprint
from cartctl.steps.database.migrate import Migrate
from tests.database.applications import NOTIFICATIONS, write_application
from tests.database.conftest import Settings
from tests.database.test_migrate import LEDGER, run_sql
from tests.shell import Shell

FIRST, SECOND, THIRD = NAMES
EXISTS = "SELECT to_regclass('carts')::text, to_regclass('promotions')::text"


@pytest.fixture
def directory(platform_database: Postgres, tmp_path: Path) -> Path:
    """The application's files, for a database with its ledger."""
    run_sql(platform_database, NOTIFICATIONS, LEDGER)
    return write_application(tmp_path / "migrations")


@pytest.mark.parametrize(
    ("name", "change", "fault", "applied"),
    (
        (FIRST, ('"currency" VARCHAR(3) NOT NULL', '"currency" CHAR(3) NOT NULL'), "carts.currency type", 0),
        (FIRST, ('"notes" TEXT', '"notes" TEXT NOT NULL'), "carts.notes", 0),
        (FIRST, ("'MERGED'", "'JOINED'"), "enum CartStatus", 0),
        (SECOND, ("\"status\" = 'ABANDONED' AND ", ""), "idx_carts_recovery_candidates", 1),
        (THIRD, ('"rate" DECIMAL(6,4)', '"rate" TEXT'), "tax_rates.rate", 2),
    ),
)
def test_a_file_that_lacks_something_is_rolled_back_and_named(
    platform_database: Postgres,
    settings: Settings,
    pulse: Pulse,
    directory: Path,
    name: str,
    change: tuple[str, str],
    fault: str,
    applied: int,
) -> None:
    """Dry run and run refuse the same file with the same sentence; nothing of it stays, and what was before it counts."""
    path = directory / name / "migration.sql"
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    with pytest.raises(Refused) as tried:
        dry_run(platform_database, configured, pulse)
    with pytest.raises(Refused) as refused:
        deploy(platform_database, configured, "run", pulse)
    assert refused.value.message == tried.value.message
    assert name in refused.value.message
    assert fault in refused.value.message
    assert "rolled back" in refused.value.message
    known = status(platform_database, configured)
    assert known.applied == NAMES[:applied]
    assert tuple(row.name for row in known.prisma.rows) == NAMES[:applied]
    path.write_text(text)
    assert deploy(platform_database, configured, "run-2", pulse).applied == NAMES[applied:]
    assert verify(platform_database, configured).bad() == []


def test_what_is_visibly_missing_is_refused_before_any_file_runs(
    platform_database: Postgres, directory: Path, tmp_path: Path
) -> None:
    """The last file does not even name a column: tried elsewhere first, and nothing of the others is applied."""
    path = directory / THIRD / "migration.sql"
    path.write_text(path.read_text().replace('"isCompound" BOOLEAN NOT NULL DEFAULT false,', ""))
    shell = Shell(
        tmp_path,
        f'[env.shop.database]\ndsn = "{platform_database.dsn}"\nmigrations = {{ prisma_dir = "{directory}" }}\n',
    )
    refused = shell("migrate", "deploy")
    assert (refused.returncode, "tax_rates.isCompound" in refused.stderr) == (3, True), refused.stderr
    assert run_sql(platform_database, EXISTS) == [(None, None)]


def test_files_that_do_more_start_no_other_server(
    platform_database: Postgres, directory: Path, tmp_path: Path
) -> None:
    """Narrower numbers, a column of another table, an index and a label: applied without the modules that start a server."""
    shell = Shell(
        tmp_path,
        f'[env.shop.database]\ndsn = "{platform_database.dsn}"\nmigrations = {{ prisma_dir = "{directory}" }}\n',
    )
    done = shell("migrate", "deploy", PYTHONVERBOSE="1")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "import 'cartctl.database.migrations.apply'" in done.stderr
    assert "import 'cartctl.adapters.postgres_server.scratch'" not in done.stderr
    assert f"files differ from cartctl's: {', '.join(NAMES)}; each is checked" in done.stderr
    assert run_sql(platform_database, EXISTS) == [("carts", "promotions")]


@pytest.mark.parametrize(
    ("change", "tried"),
    (
        ("", False),
        ("COMMENT ON TABLE carts IS 'Carts; one per visitor';", False),
        ("BEGIN; SELECT 1; COMMIT;", True),
    ),
)
def test_only_what_cannot_be_rolled_back_is_tried_elsewhere(change: str, tried: bool) -> None:
    """A file with transactions of its own, files that are only compared, and none where the files equal ours."""
    files = {each.name: each.up + b"-- own\n" for each in MIGRATIONS}
    files[FIRST] += change.encode()
    assert must_be_tried(ApplicationFiles(files, run=True, configured=True), MIGRATIONS) is tried
    assert must_be_tried(ApplicationFiles(files, run=False, configured=True), MIGRATIONS)
    known = {each.name: each.up for each in MIGRATIONS}
    assert not must_be_tried(ApplicationFiles(known, run=True, configured=True), MIGRATIONS)


def test_a_file_as_powershell_writes_it_is_named_without_a_trial(
    platform_database: Postgres, directory: Path, tmp_path: Path
) -> None:
    """UTF-16 is refused with how to repair it; lines that end as on Windows are shown as lines, and run."""
    path = directory / FIRST / "migration.sql"
    text = path.read_text()
    path.write_bytes(text.encode("utf-16"))
    shell = Shell(
        tmp_path,
        f'[env.shop.database]\ndsn = "{platform_database.dsn}"\nmigrations = {{ prisma_dir = "{directory}" }}\n',
    )
    refused = shell("migrate", "deploy")
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 2), refused.stderr
    assert f"{FIRST} is in UTF-16, which PostgreSQL refuses. Nothing was changed." in refused.stderr
    assert "hint: Save it as UTF-8" in refused.stderr
    path.write_bytes(text.replace("\n", "\r\n").encode())
    plan = shell("migrate", "deploy", "--plan")
    assert (plan.returncode, "\\r" in plan.stdout, "CREATE TABLE" in plan.stdout) == (0, False, True)
    assert shell("migrate", "deploy").returncode == 0


def test_what_another_migration_made_while_this_one_waited_is_not_its_work(
    platform_database: Postgres, settings: Settings, pulse: Pulse, directory: Path, tmp_path: Path
) -> None:
    """The catalogue before the run is read under the migrators' lock: a rollback does not drop what the holder made."""
    configured = settings(platform_database, migrations={"prisma_dir": str(directory)})
    run = Run("run", "shop", datetime.now(UTC), tmp_path, "running", {})
    before = Fingerprint(platform_database, identifiers=partial(pending_identifiers, settings=configured))
    run = replace(run, results={"fingerprint": before.perform(run, pulse)})
    with platform_database.session("holder") as holder, ThreadPoolExecutor(1) as beside:
        holder.execute("SELECT pg_advisory_lock(%s)", (PRISMA_KEY,))
        migrating = beside.submit(Migrate(platform_database, configured).perform, run, pulse)
        _wait_for_idle_migrator(platform_database)
        holder.execute("CREATE TABLE audit (what TEXT)")
        holder.execute("SELECT pg_advisory_unlock(%s)", (PRISMA_KEY,))
        added = migrating.result(timeout=60)["difference"]["added"]
    assert "table public.carts" in added
    assert "table public.audit" not in added


def _wait_for_idle_migrator(database: Postgres) -> None:
    """Until the session that migrates has had nothing to do for a while."""
    idle = """SELECT 1 FROM pg_stat_activity WHERE application_name = 'cartctl migrate' AND state = 'idle'
              AND datname = current_database() AND state_change < clock_timestamp() - interval '1 s'"""
    end = time.monotonic() + 30
    while not run_sql(database, idle):
        assert time.monotonic() < end, "the migration does not wait"
        time.sleep(0.1)
