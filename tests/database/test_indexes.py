"""Indexes on tables that hold rows: built concurrently, left-overs rebuilt, strangers respected."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.cart.store.cart_statistics import CANCELLED_INDEX
from cartctl.cart.store.recovery.candidates import conditions
from cartctl.cart.store.recovery.claims import first_due, waiting_since
from cartctl.database.contract.scale_indexes import SCALE_INDEXES
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.guards import PRISMA_KEY
from cartctl.database.migrations.indexes import build_indexes, plan_indexes
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Interrupted, Refused, StepFailed
from cartctl.migrations.frozen import MIGRATIONS
from tests.cart.store.test_jobs import plan_of
from tests.database.conftest import Settings
from tests.database.test_faults import wait_until
from tests.database.test_migrate import holding, run_sql

ROWS = (
    "INSERT INTO companies (id, name) VALUES ('c', 'C')",
    'INSERT INTO carts (id, "companyId", "updatedAt") SELECT n::text, \'c\', now() FROM generate_series(1, 1000) AS n',
)

ABANDONED = (  # of a hundred companies, a cart every 25 seconds for three days
    "INSERT INTO companies (id, name) SELECT 'c' || n, 'C' FROM generate_series(0, 99) AS n",
    """INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
       SELECT n::text, 'c' || n % 100, n || '@shop.example', 'C', 'C' FROM generate_series(1, 10000) AS n""",
    """INSERT INTO carts (id, "companyId", "customerId", status, "itemCount", "abandonedAt", "updatedAt")
       SELECT n::text, 'c' || n % 100, n::text, 'ABANDONED', 1, timestamp '2026-03-04' - n * interval '25 seconds', now()
       FROM generate_series(1, 10000) AS n""",
)


@pytest.fixture
def full(platform_database: Postgres) -> Postgres:
    """Another tool's tables with rows, without the partial indexes."""
    run_sql(platform_database, MIGRATIONS[0].up.decode(), *ROWS)
    return platform_database


def test_built_outside_then_the_migration_goes_on(full: Postgres, settings: Settings, pulse: Pulse) -> None:
    """After the build the migration finds everything it would have had to build under its locks."""
    configured = settings(full, strict_constraints=False)
    with pytest.raises(Refused, match="idx_carts_recovery_candidates"):
        deploy(full, configured, "run", pulse)
    built = build_indexes(full, configured, pulse)
    assert (built.indexes, built.rebuilt) == (("idx_carts_recovery_candidates", "idx_carts_expiration"), ())
    assert plan_indexes(full, configured).indexes == ()
    deploy(full, configured, "run", pulse)
    assert verify(full, configured).verdict is Verdict.PASS


def test_a_left_over_is_built_anew(migrated: Postgres, settings: Settings, pulse: Pulse) -> None:
    """An index of ours that a killed build left invalid is dropped and rebuilt, also after the migration."""
    run_sql(migrated, *ROWS)
    run_sql(
        migrated, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_carts_expiration'::regclass"
    )
    assert verify(migrated, settings(migrated)).verdict is Verdict.FAIL
    built = build_indexes(migrated, settings(migrated), pulse)
    assert built.rebuilt == ("idx_carts_expiration",)
    assert verify(migrated, settings(migrated)).verdict is Verdict.PASS


def test_another_definition_stops_it(full: Postgres, settings: Settings, pulse: Pulse) -> None:
    """An index of our name with another definition is somebody's: named, not touched."""
    run_sql(full, 'CREATE INDEX idx_carts_expiration ON carts ("companyId")')
    with pytest.raises(Refused, match="idx_carts_expiration exists with a different definition"):
        build_indexes(full, settings(full, strict_constraints=False), pulse)


def test_who_holds_it_up_is_named_and_the_next_build_repairs(
    full: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """Past its budget the build ends, the session in the way is named; what is left of it is built anew."""
    with (
        holding(full, "UPDATE carts SET notes = 'x' WHERE id = '1'"),
        pytest.raises(StepFailed, match=r"cartctl somebody.*RowExclusiveLock on carts"),
    ):
        build_indexes(full, settings(full), pulse, budget=timedelta(milliseconds=200))
    assert build_indexes(full, settings(full), pulse).rebuilt == ("idx_carts_recovery_candidates",)


def test_an_alarm_ends_a_build(full: Postgres, settings: Settings, pulse: Pulse) -> None:
    """Ctrl-C ends a waiting build at once and holds nobody up; Prisma's lock is free meanwhile."""
    free: list[object] = []

    def interrupt() -> None:
        with full.session("prisma") as other:
            free.extend(other.execute("SELECT pg_try_advisory_lock(%s)", (PRISMA_KEY,)).fetchall())
        pulse.alarm(Interrupted("enough"))

    timer, under_way = threading.Timer(0.5, interrupt), time.monotonic()
    with holding(full, "UPDATE carts SET notes = 'x' WHERE id = '1'"):
        timer.start()
        with pytest.raises(Interrupted, match="enough"):
            build_indexes(full, settings(full), pulse)
    timer.join()
    assert (free, time.monotonic() - under_way < 60) == ([(True,)], True)


def test_another_migrator_has_the_lock_during_a_build(
    full: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """Prisma takes its lock while a build waits for a writer, keeps it to the end of the build, and neither waits for the other."""
    building = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool, full.session("prisma", lock_timeout="5s") as prisma:
        with holding(full, "UPDATE carts SET notes = 'x' WHERE id = '1'"):
            built = pool.submit(build_indexes, full, settings(full), pulse)
            wait_until(lambda: run_sql(full, building) == [(1,)])
            prisma.execute("SELECT pg_advisory_lock(%s)", (PRISMA_KEY,))
        assert len(built.result(timeout=60).indexes) == 2
        assert prisma.execute("SELECT pg_advisory_unlock(%s)", (PRISMA_KEY,)).fetchone() == (True,)


def test_optional_indexes_are_built_on_request_only(
    migrated: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """`--scale` builds them beside the migration's own; the contract neither requires nor refuses them, even when strict."""
    run_sql(migrated, *ROWS)
    own = settings(migrated)
    names = tuple(index.name for index in SCALE_INDEXES)
    assert plan_indexes(migrated, own).indexes == ()
    assert tuple(each.name for each in plan_indexes(migrated, own, scale=True).indexes) == names
    assert build_indexes(migrated, own, pulse, scale=True).indexes == names
    assert plan_indexes(migrated, own, scale=True).indexes == ()
    strict = verify(migrated, own, exact=True)
    assert strict.verdict is Verdict.PASS
    assert not any(name in check.observed for check in strict.checks for name in names)


def test_an_optional_index_is_the_documented_one() -> None:
    """The library's statement for those without cartctl makes the same index as `--scale`."""
    [cancelled] = [index for index in SCALE_INDEXES if index.name == "carts_cancelled"]
    bare = " ".join(CANCELLED_INDEX.replace("CONCURRENTLY ", "").split())
    assert (
        cancelled.statement.sql.replace('"carts"', "carts").replace('"carts_cancelled"', "carts_cancelled")
        == bare + ";"
    )


def test_recovery_of_all_companies_runs_on_its_optional_index(
    migrated: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """The index has candidates longest abandoned first, so that a batch ends at its limit; one company's claim scans no table either."""
    run_sql(migrated, *ABANDONED)
    build_indexes(migrated, settings(migrated), pulse, scale=True)
    run_sql(migrated, "VACUUM ANALYZE carts", "ANALYZE customers")
    now = datetime(2026, 3, 4, tzinfo=UTC)
    assert "carts_unsent_abandonedAt" in plan_of(migrated, claims(now, None))
    assert "Seq Scan on carts" not in plan_of(migrated, claims(now, ["c7"]))


def claims(now: datetime, companies: list[str] | None) -> Any:
    """The statement of a batch of claims."""
    return first_due(waiting_since(now, companies), conditions(now, companies), 500)
