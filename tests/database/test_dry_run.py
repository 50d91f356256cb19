"""The dry run: executed on the target, measured, rolled back."""

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.database.migrations.dry_run import dry_run
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.database.conftest import Settings
from tests.database.test_migrate import LEDGER, holding, run_sql

CATALOGUE = "SELECT count(*) FROM pg_class"


def test_it_executes_measures_and_keeps_nothing(
    platform_database: Postgres, settings: Settings, pulse: Pulse, prisma_dir: str
) -> None:
    """Every statement is timed, the platform's tables show the lock that their writers will wait for, nothing stays."""
    run_sql(platform_database, LEDGER)
    before = run_sql(platform_database, CATALOGUE)
    configured = settings(platform_database, migrations={"prisma_dir": prisma_dir, "source": "cartctl"})
    results = dry_run(platform_database, configured, pulse)
    assert tuple(each.name for each in results.migrations) == NAMES
    assert len(results.migrations[0].statements) == len(MIGRATIONS[0].statements(strict=False))
    assert all(each.seconds >= 0 for migration in results.migrations for each in migration.statements)
    locks = {lock.relation: lock.mode for lock in results.locks}
    assert locks.pop("_prisma_migrations") == "RowExclusiveLock"
    assert locks == dict.fromkeys(("companies", "customers", "products", "sites"), "ShareRowExclusiveLock")
    assert run_sql(platform_database, CATALOGUE) == before
    assert run_sql(platform_database, "SELECT count(*) FROM _prisma_migrations") == [(0,)]


def test_a_blocker_is_named_at_once(platform_database: Postgres, settings: Settings, pulse: Pulse) -> None:
    """A lock that is not to be had ends it the first time, naming who holds it."""
    with (
        holding(platform_database, "LOCK TABLE companies IN ROW EXCLUSIVE MODE"),
        pytest.raises(StepFailed, match=r"once.*cartctl somebody"),
    ):
        dry_run(platform_database, settings(platform_database, lock_timeout="50ms"), pulse)


def test_indexes_on_full_tables_are_omitted_and_named(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """What is built outside the migration was not executed, and the result says so."""
    run_sql(
        platform_database,
        MIGRATIONS[0].up.decode(),
        "INSERT INTO companies (id, name) VALUES ('c', 'C')",
        "INSERT INTO carts (id, \"companyId\", \"updatedAt\") VALUES ('1', 'c', now())",
    )
    result = dry_run(platform_database, settings(platform_database, strict_constraints=False), pulse)
    assert result.not_executed == ("idx_carts_recovery_candidates", "idx_carts_expiration")
    assert "table carts" in result.kept
