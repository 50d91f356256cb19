"""Applying the migrations: whole or not at all, bounded, adopted, recorded, as the right role."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cartctl.adapters.postgres import Connection, Postgres, SqlFailed
from cartctl.database.catalogue import difference, read_catalogue
from cartctl.database.migrations import apply as migrate
from cartctl.database.migrations import guards
from cartctl.database.migrations.apply import deploy
from cartctl.database.migrations.preview import preview
from cartctl.database.migrations.status import status
from cartctl.database.migrations.verify import verify
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Interrupted, Locked, Refused, StepFailed
from cartctl.migrations.frozen import MIGRATIONS, NAMES
from tests.database.conftest import Settings
from tests.services import Server

LEDGER = """CREATE TABLE _prisma_migrations (
    id VARCHAR(36) PRIMARY KEY, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL,
    logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count INTEGER NOT NULL DEFAULT 0)"""


def run_sql(database: Postgres, *statements: str) -> list[tuple[object, ...]]:
    """Run statements and give the rows of the last."""
    with database.session("tests") as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def ledger_row(name: str, *, finished: str = "now()", rolled_back: str = "NULL") -> str:
    """A row as Prisma writes it."""
    return (
        "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, rolled_back_at) "
        f"VALUES (gen_random_uuid()::text, 'abc', '{name}', {finished}, {rolled_back})"
    )


@contextmanager
def holding(database: Postgres, statement: str) -> Iterator[None]:
    """A session that keeps a transaction open."""
    with database.session("somebody", autocommit=False) as connection:
        connection.execute(statement.encode())
        yield
        connection.rollback()


def test_deploy_applies_all_once(platform_database: Postgres, settings: Settings, pulse: Pulse) -> None:
    """What is pending is applied in order; a second deployment finds nothing to do and changes nothing."""
    configured = settings(platform_database)
    assert status(platform_database, configured).pending == NAMES
    made = deploy(platform_database, configured, "run-1", pulse)
    assert (made.applied, made.adopted, made.heads) == (NAMES, (), ("20260101163110",))
    again = deploy(platform_database, configured, "run-2", pulse)
    assert (again.applied, again.heads) == ((), made.heads)
    known = status(platform_database, configured)
    assert (known.current, known.pending, known.applied) == (NAMES[-1], (), NAMES)
    assert run_sql(platform_database, "SELECT DISTINCT run, adopted, strict FROM cartctl.applied") == [
        ("run-1", False, True)
    ]


# An event trigger with a condition: no read beforehand can tell when it raises.
REFUSES_PROMOTIONS = """
CREATE FUNCTION refuse_promotions() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.promotions') THEN
    RAISE EXCEPTION 'no promotions here';
  END IF;
END $$;
CREATE EVENT TRIGGER refuse_promotions ON ddl_command_end EXECUTE FUNCTION refuse_promotions();
"""


def test_a_failed_migration_leaves_nothing(
    platform_database: Postgres, settings: Settings, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that a retry cannot fix ends at once; the migrations before it stay, nothing of it does."""
    monkeypatch.setattr(migrate, "PAUSE", 60.0)
    run_sql(platform_database, REFUSES_PROMOTIONS)
    with pytest.raises(SqlFailed, match="no promotions here"):
        deploy(platform_database, settings(platform_database), "run", pulse)
    assert status(platform_database, settings(platform_database)).applied == NAMES[:2]
    assert run_sql(platform_database, "SELECT to_regclass('promotions')::text") == [(None,)]


def test_blockers_are_named(
    platform_database: Postgres, settings: Settings, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the locks are not to be had, who holds them is named by pid, user, application, age and mode."""
    monkeypatch.setattr(migrate, "PAUSE", 0.01)
    with (
        holding(platform_database, "INSERT INTO companies (id, name) VALUES ('c', 'C')"),
        pytest.raises(StepFailed, match="4 times") as failed,
    ):
        deploy(platform_database, settings(platform_database, lock_timeout="50ms"), "run", pulse)
    for message in ("pid ", "user postgres", "cartctl somebody", "RowExclusiveLock on companies", "s ago"):
        assert message in failed.value.message
    assert run_sql(platform_database, "SELECT to_regclass('carts')::text") == [(None,)]


class Freeing(Pulse):
    """A pulse in whose first pause somebody else ends their transaction."""

    def __init__(self, blocker: Connection) -> None:
        super().__init__()
        self.pauses = 0
        self._blocker = blocker

    def pause(self, seconds: float) -> None:
        """Take no time."""
        self.pauses += 1
        self._blocker.rollback()


def test_a_lock_that_is_freed_is_waited_for(platform_database: Postgres, settings: Settings) -> None:
    """A lock timeout is tried again, and succeeds when the blocker has gone."""
    with platform_database.session("somebody", autocommit=False) as blocker:
        blocker.execute("LOCK TABLE companies IN ROW EXCLUSIVE MODE")
        pulse = Freeing(blocker)
        made = deploy(platform_database, settings(platform_database, lock_timeout="50ms"), "run", pulse)
    assert (made.applied, pulse.pauses) == (NAMES, 1)


def test_an_alarm_ends_a_waiting_migration(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """A trigger or Ctrl-C ends the SQL at once, and what was under way is rolled back."""
    timer = threading.Timer(0.5, lambda: pulse.alarm(Interrupted("enough")))
    under_way = time.monotonic()
    with holding(platform_database, "LOCK TABLE companies IN ACCESS EXCLUSIVE MODE"):
        timer.start()
        with pytest.raises(Interrupted, match="enough"):
            deploy(platform_database, settings(platform_database, lock_timeout="30s"), "run", pulse)
    timer.join()
    assert time.monotonic() - under_way < 25
    assert status(platform_database, settings(platform_database)).applied == ()


def test_another_migrator_is_waited_for_and_named(
    platform_database: Postgres, settings: Settings, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another tool holds the migration lock nothing is done, and its holder is named."""
    monkeypatch.setattr(guards, "MIGRATOR_WAIT", 0.2)
    with platform_database.session("prisma") as other:
        other.execute("SELECT pg_advisory_lock(72707369)")
        with pytest.raises(Locked, match=r"pid \d+, user postgres, application cartctl prisma"):
            deploy(platform_database, settings(platform_database), "run", pulse)


def test_a_read_only_server_is_refused(
    pg18: Server, platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """A session that takes no changes is refused before anything is tried."""
    name = pg18.name_of(platform_database)
    pg18.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    with pytest.raises(Refused, match="read-only"):
        deploy(platform_database, settings(platform_database), "run", pulse)


def test_a_database_without_the_platform_is_refused(
    empty_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """Without the platform's tables it is the wrong database: named, nothing changed."""
    with pytest.raises(Refused, match="companies, customers, products, sites missing"):
        deploy(empty_database, settings(empty_database), "run", pulse)
    assert run_sql(empty_database, "SELECT to_regnamespace('cartctl')::text") == [(None,)]


@pytest.mark.parametrize("role", ("owner_role", "app_role"))
def test_a_role_that_is_not_there_is_a_configuration_error(
    platform_database: Postgres, settings: Settings, pulse: Pulse, role: str
) -> None:
    """A role named in the configuration must exist; the sentence says which key names it."""
    with pytest.raises(ConfigError, match=f"database.{role}"):
        deploy(platform_database, settings(platform_database, **{role: "nobody_here"}), "run", pulse)


def test_an_unknown_revision_is_refused(migrated: Postgres, settings: Settings, pulse: Pulse) -> None:
    """A newer cartctl's database is left alone, and status says so."""
    run_sql(migrated, "UPDATE cartctl.alembic_version SET version_num = '20270101000000'")
    with pytest.raises(Refused, match="20270101000000"):
        deploy(migrated, settings(migrated), "run", pulse)
    assert status(migrated, settings(migrated)).unknown == ("20270101000000",)


def test_an_object_of_another_shape_stops_it(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """A table or enum of ours that looks otherwise is named with the difference before any change."""
    run_sql(
        platform_database,
        "CREATE TYPE \"TaxType\" AS ENUM ('VAT')",
        "CREATE TABLE promotions (id text PRIMARY KEY, code integer NOT NULL)",
        "CREATE VIEW wishlists AS SELECT 1 AS id",
    )
    with pytest.raises(Refused, match="Nothing was changed") as refused:
        deploy(platform_database, settings(platform_database), "run", pulse)
    for message in (
        "enum TaxType is ['VAT']",
        "column promotions.code type is integer",
        "a view with this name exists",
    ):
        assert message in refused.value.message
    assert run_sql(platform_database, "SELECT to_regnamespace('cartctl')::text") == [(None,)]


def test_objects_of_the_same_shape_are_adopted_one_by_one(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """What is there with our shape is kept with its rows, what is missing is made, and all of it is ours then."""
    statements = MIGRATIONS[0].statements(strict=False)
    expected = {"CartStatus", "SiteType", "wishlists", "carts", "wishlists_sessionToken_key"}
    run_sql(platform_database, *(each.sql for each in statements if each.makes in expected))
    oid = run_sql(platform_database, "SELECT 'wishlists'::regclass::oid")
    configured = settings(platform_database)
    shown = preview(platform_database, configured)
    assert 'CREATE TABLE "wishlists"' not in shown.pending[0].sql
    assert 'CREATE TABLE "wishlist_items"' in shown.pending[0].sql
    made = deploy(platform_database, configured, "run", pulse)
    assert (made.applied, made.adopted) == (NAMES, ())
    assert run_sql(platform_database, "SELECT 'wishlists'::regclass::oid") == oid
    assert verify(platform_database, configured).verdict is Verdict.PASS


def test_a_database_that_another_tool_migrated_is_recorded(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """Tables of another tool's making are recorded as adopted; only what is required is expected of them."""
    run_sql(
        platform_database,
        LEDGER,
        *(each.up.decode() for each in MIGRATIONS),
        "ALTER TABLE carts DROP COLUMN version",
        'DROP INDEX "carts_orderId_key"',
        'CREATE UNIQUE INDEX another_name ON carts ("orderId")',
        *(ledger_row(name) for name in NAMES),
    )
    configured = settings(platform_database)
    made = deploy(platform_database, configured, "run", pulse)
    assert (made.applied, made.adopted) == (NAMES, NAMES)
    assert verify(platform_database, configured).verdict is Verdict.WARN
    assert run_sql(platform_database, "SELECT count(*) FROM _prisma_migrations") == [(3,)]
    problems = status(platform_database, configured).prisma.problems
    assert len(problems) == 3
    assert all("a different file" in problem for problem in problems)


def test_an_index_on_a_full_table_is_not_built_in_the_migration(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """A table with rows that lacks an index is refused with the command that builds it outside."""
    run_sql(
        platform_database,
        *(each.up.decode() for each in MIGRATIONS[:1]),
        "INSERT INTO companies (id, name) VALUES ('c', 'C')",
        "INSERT INTO carts (id, \"companyId\", \"updatedAt\") VALUES ('1', 'c', now())",
    )
    with pytest.raises(Refused, match="idx_carts_recovery_candidates") as refused:
        deploy(platform_database, settings(platform_database, strict_constraints=False), "run", pulse)
    assert "cartctl migrate index --concurrently" in refused.value.hint


def test_prismas_ledger_gets_exactly_our_rows(
    platform_database: Postgres, settings: Settings, pulse: Pulse, prisma_dir: str
) -> None:
    """Our names are recorded with the files' checksums; no strict constraint is made beside a Node application."""
    run_sql(platform_database, LEDGER, ledger_row("20251201000000_add_cart_theme"))
    configured = settings(platform_database, migrations={"prisma_dir": prisma_dir})
    deploy(platform_database, configured, "run", pulse)
    rows = run_sql(
        platform_database,
        "SELECT migration_name, checksum, applied_steps_count, finished_at IS NOT NULL, rolled_back_at IS NULL "
        "FROM _prisma_migrations WHERE applied_steps_count = 1 ORDER BY 1",
    )
    assert rows == [(each.name, each.checksum, 1, True, True) for each in MIGRATIONS]
    assert run_sql(platform_database, "SELECT count(*) FROM _prisma_migrations") == [(4,)]
    assert run_sql(
        platform_database, "SELECT count(*) FROM pg_constraint WHERE conname = 'carts_money_check'"
    ) == [(0,)]
    assert verify(platform_database, configured).verdict is Verdict.PASS


def test_a_failed_row_of_the_ledger_stops_it(
    platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """A migration of anybody's that failed and was not resolved must be settled first; a rolled-back one is settled."""
    run_sql(platform_database, LEDGER, ledger_row("x", finished="NULL", rolled_back="now()"))
    run_sql(platform_database, ledger_row("20250101000000_orders", finished="NULL"))
    assert status(platform_database, settings(platform_database)).prisma.problems == (
        "20250101000000_orders failed and was not resolved",
    )
    with pytest.raises(Refused, match="20250101000000_orders") as refused:
        deploy(platform_database, settings(platform_database), "run", pulse)
    assert "prisma migrate resolve" in refused.value.hint


def test_without_a_superuser_the_application_can_work(
    server: Server, settings: Settings, pulse: Pulse
) -> None:
    """A deployer that is neither owner nor superuser migrates as the owner, and the application reads and writes."""
    database = server.create_platform()
    name = server.name_of(database)
    for role in ("shop_owner", "shop_app", "shop_deployer"):
        server.execute(f"DROP ROLE IF EXISTS {role}")
        server.execute(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOINHERIT")
    server.execute("GRANT shop_owner TO shop_deployer")
    server.execute(f'GRANT CREATE ON DATABASE "{name}" TO shop_deployer')
    run_sql(
        database,
        *(f"ALTER TABLE {table} OWNER TO shop_owner" for table in (*guards.PLATFORM, "orders")),
        "GRANT CREATE, USAGE ON SCHEMA public TO shop_owner",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO shop_app, shop_owner, shop_deployer",
        "INSERT INTO companies (id, name) VALUES ('c', 'C')",
    )
    deployer = server.database(name, user="shop_deployer")
    configured = settings(deployer, owner_role="shop_owner", app_role="shop_app")
    made = deploy(deployer, configured, "run", pulse)
    assert made.applied == NAMES
    assert status(deployer, configured).pending == ()
    assert verify(deployer, configured).verdict is Verdict.PASS
    application = server.database(name, user="shop_app")
    rows = run_sql(
        application,
        "INSERT INTO carts (id, \"companyId\", \"updatedAt\") VALUES ('1', 'c', now())",
        "UPDATE carts SET status = 'ABANDONED'",
        "SELECT status::text FROM carts",
        "DELETE FROM carts RETURNING id",
    )
    assert rows == [("1",)]
    with pytest.raises(SqlFailed, match="must be owner"):
        run_sql(application, "DROP TABLE carts")
    server.drop(database)
    for role in ("shop_app", "shop_deployer", "shop_owner"):
        server.execute(f"DROP OWNED BY {role}")
        server.execute(f"DROP ROLE {role}")


def test_rights_that_lack_are_named_before_any_change(
    pg18: Server, platform_database: Postgres, settings: Settings, pulse: Pulse
) -> None:
    """A role that may not refer to the platform's tables is refused with the GRANT that helps."""
    pg18.execute("DROP ROLE IF EXISTS weak")
    pg18.execute("CREATE ROLE weak LOGIN")
    weak = pg18.database(pg18.name_of(platform_database), user="weak")
    with pytest.raises(Refused, match="may not create tables in schema public"):
        deploy(weak, settings(weak), "run", pulse)
    run_sql(platform_database, "GRANT CREATE ON SCHEMA public TO weak")
    with pytest.raises(Refused, match="foreign keys to companies, customers, products, sites"):
        deploy(weak, settings(weak), "run", pulse)
    run_sql(platform_database, "GRANT REFERENCES ON companies, customers, products, sites TO weak")
    with pytest.raises(Refused, match="may not create the schema cartctl"):
        deploy(weak, settings(weak), "run", pulse)
    pg18.drop(platform_database)
    pg18.execute("DROP ROLE weak")


def test_the_result_is_what_psql_makes(server: Server, settings: Settings, pulse: Pulse) -> None:
    """The frozen files run by PostgreSQL's own client give the same public schema."""
    ours, theirs = server.create_platform(), server.create_platform()
    deploy(ours, settings(ours), "run", pulse)
    for migration in MIGRATIONS:
        subprocess.run(
            [server.bin / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-1", theirs.dsn],
            input=migration.script(strict=True),
            check=True,
        )
    with ours.session("tests") as first, theirs.session("tests") as second:
        differing = difference(read_catalogue(second), read_catalogue(first)).lines()
    assert differing
    assert all(" cartctl" in line for line in differing)
    server.drop(ours)
    server.drop(theirs)
