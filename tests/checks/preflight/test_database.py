"""The database as the migrations need it: each requirement is broken once, and the preflight says which."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.checks.database import platform_tables
from cartctl.checks.database.database_check import DatabaseCheck, run_with_connection_check
from cartctl.checks.database.roles import check_owner
from cartctl.checks.preflight.blockers import check_blockers
from cartctl.checks.preflight.database import check_database
from cartctl.config.model.environment import Database
from cartctl.config.values import Secret
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from tests.database.test_migrate import LEDGER
from tests.services import Server, standby_of

TRIGGER = """CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $f$ BEGIN {} END $f$;
CREATE EVENT TRIGGER watching ON {} EXECUTE FUNCTION watch(); ALTER EVENT TRIGGER watching ENABLE"""
SETTINGS = Database(dsn=Secret(literal="x"), owner_role="pf_owner", app_role="pf_app")
ROLES = "pf_deployer", "pf_owner", "pf_app"


@pytest.fixture(scope="module")
def roles(pg18: Server) -> Iterator[None]:
    """The deployer (not a superuser), the owner it may become, and the application's role."""
    for role in ROLES:
        pg18.execute(f"CREATE ROLE {role} LOGIN")
    pg18.execute("GRANT pf_owner, pg_read_all_stats TO pf_deployer")
    yield
    for role in ROLES:
        pg18.execute(f"DROP ROLE {role}")


@pytest.fixture
def database(roles: None, platform_database: Postgres) -> Iterator[Postgres]:
    """A database on which everything is right, seen as the deployer."""
    with platform_database.session("tests") as connection:
        connection.execute(
            "GRANT CREATE ON SCHEMA public TO pf_owner;"
            "GRANT REFERENCES ON companies, customers, products, sites TO pf_owner;"
            "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO pf_deployer', current_database()); END $$"
        )
    yield Postgres(make_conninfo(platform_database.dsn, user="pf_deployer"))
    with platform_database.session("tests") as connection:
        connection.execute("DROP EVENT TRIGGER IF EXISTS watching")
        for role in ROLES:
            connection.execute(f"DROP OWNED BY {role} CASCADE".encode())


def _judged(results: Iterator[CheckResult]) -> dict[str, CheckResult]:
    return {result.name: result for result in results}


def _break(database: Postgres, statement: str) -> None:
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    with superuser.session("tests") as connection:
        connection.execute(statement.encode())


def test_a_database_that_is_right_passes(database: Postgres) -> None:
    """Least privilege is enough: nothing but passes."""
    results = _judged(check_database(database, SETTINGS))
    assert {result.verdict for result in results.values()} == {Verdict.PASS}, results
    assert len(results) >= 14


def test_every_supported_server_passes(server: Server) -> None:
    """The questions are understood by PostgreSQL 15, 16 and 18."""
    database = server.create_platform()
    try:
        settings = SETTINGS.model_copy(update={"owner_role": None, "app_role": None})
        results = _judged(check_database(database, settings))
        blockers = _judged(check_blockers(database, settings, Pulse()))
    finally:
        server.drop(database)
    assert {name for name, result in results.items() if result.verdict is not Verdict.PASS} == {
        "database.app_role"
    }
    assert {result.verdict for result in blockers.values()} == {Verdict.PASS}


BROKEN = {
    "a missing table": ("DROP TABLE sites CASCADE", "database.tables", "sites is missing"),
    "no id": ("ALTER TABLE sites DROP COLUMN id CASCADE", "database.tables", "sites.id is missing"),
    "an id of another type": (
        "ALTER TABLE sites ALTER id TYPE bigint USING 1",
        "database.tables",
        "sites.id is bigint",
    ),
    "an id that is not unique": (
        "ALTER TABLE sites DROP CONSTRAINT sites_pkey CASCADE",
        "database.tables",
        "sites.id is not unique",
    ),
    "a deferrable key": (
        "ALTER TABLE sites DROP CONSTRAINT sites_pkey CASCADE, ADD PRIMARY KEY (id) DEFERRABLE",
        "database.tables",
        "sites.id is unique only by a DEFERRABLE constraint",
    ),
    "an unlogged table": (
        "ALTER TABLE products SET UNLOGGED",
        "database.tables",
        "products is UNLOGGED",
    ),
    "a view": (
        "DROP TABLE sites CASCADE; CREATE VIEW sites AS SELECT 'x'::text AS id",
        "database.tables",
        "sites is a view",
    ),
    "no REFERENCES": (
        "REVOKE REFERENCES ON sites FROM pf_owner",
        "database.references",
        "not granted on sites",
    ),
    "no CREATE": ("REVOKE CREATE ON SCHEMA public FROM pf_owner", "database.create", "not granted"),
    "no USAGE": (
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO pf_owner, pf_deployer",
        "database.app_role",
        "no USAGE on schema public for pf_app",
    ),
    "no CREATE in the database": (
        "DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM pf_deployer', current_database()); END $$",
        "database.schemas",
        "not granted",
    ),
    "a schema of somebody else": (
        "CREATE SCHEMA cartctl",
        "database.schemas",
        "pf_owner has no rights on the schema cartctl",
    ),
    "a record of somebody else": (
        "CREATE SCHEMA cartctl AUTHORIZATION pf_owner; CREATE TABLE cartctl.applied (revision text, adopted boolean, strict boolean, run text, at timestamptz)",
        "database.record.applied",
        "pf_owner may not write it; its owner is postgres",
    ),
    "another table of its name": (
        "CREATE SCHEMA cartctl AUTHORIZATION pf_owner; CREATE TABLE cartctl.alembic_version (n int); GRANT ALL ON cartctl.alembic_version TO pf_owner",
        "database.record.alembic_version",
        "no column version_num",
    ),
    "a table of another shape": (
        "CREATE TABLE carts (id bigint PRIMARY KEY)",
        "database.objects",
        "column carts.id type is bigint, expected text",
    ),
    "a view of our name": (
        "CREATE VIEW carts AS SELECT 1 AS id",
        "database.objects",
        "table carts: a view with this name exists",
    ),
    "a domain of our name": (
        'CREATE DOMAIN "CartStatus" AS text',
        "database.objects",
        "type CartStatus: there is a domain of this name",
    ),
    "a table of an enum's name": (
        'CREATE TABLE "CartStatus" (id int)',
        "database.objects",
        "type CartStatus: there is a row type of another relation of this name",
    ),
    "a type of a table's name": (
        "CREATE TYPE carts AS ENUM ('x')",
        "database.objects",
        "table carts: there is a enum of this name",
    ),
    "an index of our name elsewhere": (
        "CREATE INDEX idx_carts_expiration ON companies (name)",
        "database.objects",
        "index idx_carts_expiration: an index with this name exists on companies",
    ),
    "a primary key's name": (
        "CREATE SEQUENCE carts_pkey",
        "database.objects",
        "index carts_pkey: a sequence with this name exists",
    ),
    "a ledger without rights": (
        f"{LEDGER}",
        "database.ledger",
        "pf_owner lacks SELECT, INSERT, UPDATE, DELETE",
    ),
    "a ledger that is none": (
        "CREATE TABLE _prisma_migrations (id text); GRANT ALL ON _prisma_migrations TO pf_owner",
        "database.ledger",
        "it lacks",
    ),
    "a ledger that needs more": (
        f"{LEDGER}; GRANT ALL ON _prisma_migrations TO pf_owner; ALTER TABLE _prisma_migrations ADD who text NOT NULL",
        "database.ledger",
        "needs a value for who",
    ),
    "a ledger that is published without a key": (
        (
            f"{LEDGER}; GRANT ALL ON _prisma_migrations TO pf_owner; ALTER TABLE _prisma_migrations DROP CONSTRAINT _prisma_migrations_pkey;"
            "CREATE PUBLICATION ledger FOR TABLE _prisma_migrations"
        ),
        "database.ledger",
        "is published without a primary key",
    ),
    "a ledger whose rows are hidden": (
        f"{LEDGER}; GRANT ALL ON _prisma_migrations TO pf_owner; ALTER TABLE _prisma_migrations ENABLE ROW LEVEL SECURITY",
        "database.ledger",
        "query would be affected by row-level security policy",
    ),
    "a trigger that changes owners": (
        TRIGGER.format("EXECUTE 'ALTER TABLE x OWNER TO somebody';", "ddl_command_end"),
        "database.event_triggers.watching",
        "changes the owner of new objects to somebody",
    ),
    "a trigger that refuses all": (
        TRIGGER.format("RAISE EXCEPTION 'frozen until Monday';", "ddl_command_start"),
        "database.event_triggers.watching",
        "refuses every statement: frozen until Monday",
    ),
}


READ_FROM = ("database.ledger", "database.record", "database.schemas")


def test_a_collation_that_keys_cannot_refer_to_is_a_fault() -> None:
    """Since version 18 a key must have its target's nondeterministic collation; ours are plain text."""
    table = platform_tables._Table("r", "p", "text", True, True, False, True)
    assert platform_tables._faults(table, 170000) == []
    assert "nondeterministic collation" in platform_tables._faults(table, 180000)[0]


@pytest.mark.parametrize("what", BROKEN)
def test_each_requirement_is_missed(database: Postgres, what: str) -> None:
    """What is broken fails by its name, with what was seen and what to do; nothing else does."""
    statement, name, observed = BROKEN[what]
    _break(database, statement)
    results = _judged(check_database(database, SETTINGS))
    wrong = {key for key, result in results.items() if result.verdict in {Verdict.FAIL, Verdict.UNKNOWN}}
    beside = (
        {"database.objects"} if name.startswith(READ_FROM) else set()
    )  # it reads what cannot be read here
    assert wrong - beside == {name} - beside, results
    assert results[name].verdict is Verdict.FAIL
    assert observed in results[name].observed
    assert results[name].hint


@pytest.mark.parametrize(
    ("statement", "name", "observed"),
    (
        (
            TRIGGER.format(
                "IF tg_tag = 'CREATE TABLE' THEN RAISE EXCEPTION 'no'; END IF;", "ddl_command_start"
            ),
            "database.event_triggers.watching",
            "may refuse statements",
        ),
        (TRIGGER.format("NULL;", "sql_drop"), "database.event_triggers.watching", "runs with the migrations"),
        ("CREATE PUBLICATION everything FOR ALL TABLES", "database.publications", "everything will publish"),
    ),
)
def test_what_may_go_wrong_is_a_warning(database: Postgres, statement: str, name: str, observed: str) -> None:
    """What cannot be decided by reading, or harms others later, is named and stops nothing."""
    _break(database, statement)
    results = _judged(check_database(database, SETTINGS))
    assert [key for key, result in results.items() if result.verdict is not Verdict.PASS] == [name], results
    assert observed in results[name].observed


def test_a_trigger_that_gives_objects_to_the_owner_passes(database: Postgres) -> None:
    """It does what is wanted anyway."""
    _break(database, TRIGGER.format("EXECUTE 'ALTER TABLE x OWNER TO pf_owner';", "ddl_command_end"))
    assert (
        _judged(check_database(database, SETTINGS))["database.event_triggers.watching"].verdict
        is Verdict.PASS
    )


def test_a_role_without_enough_connections_fails(database: Postgres, pg18: Server) -> None:
    """The limit of the role or of the database counts as the server's does."""
    pg18.execute("ALTER ROLE pf_deployer CONNECTION LIMIT 5")
    try:
        result = _judged(check_database(database, SETTINGS))["database.connections"]
    finally:
        pg18.execute("ALTER ROLE pf_deployer CONNECTION LIMIT -1")
    assert (result.verdict, result.observed) == (Verdict.FAIL, "5 free of the role")


def test_a_dead_synchronous_standby_fails(database: Postgres, pg18: Server) -> None:
    """It is found before a commit waits for it; who may not see the standbys does not know."""
    name = pg18.name_of(database)
    pg18.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
    pg18.execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (nobody, else)'")
    pg18.execute("SELECT pg_reload_conf()")
    try:
        result = _judged(check_database(database, SETTINGS))["database.standbys"]
        pg18.execute("REVOKE pg_read_all_stats FROM pf_deployer")
        hidden = _judged(check_database(database, SETTINGS))["database.standbys"]
    finally:
        pg18.execute("ALTER SYSTEM RESET synchronous_standby_names")
        pg18.execute("SELECT pg_reload_conf()")
        pg18.execute("GRANT pg_read_all_stats TO pf_deployer")
    assert (result.verdict, result.observed) == (Verdict.FAIL, "0 connected")
    assert hidden.verdict is Verdict.UNKNOWN


def test_a_tablespace_without_rights_fails(database: Postgres, pg18: Server) -> None:
    """New tables would go where the owner may not make any."""
    with Postgres(pg18.dsn).session("tests", allow_in_place_tablespaces="on") as connection:
        connection.execute("CREATE TABLESPACE pf_space LOCATION ''")
    name = pg18.name_of(database)
    pg18.execute(f'ALTER DATABASE "{name}" SET default_tablespace = pf_space')
    try:
        result = _judged(check_database(database, SETTINGS))["database.tablespace"]
    finally:
        pg18.execute(f'ALTER DATABASE "{name}" RESET default_tablespace')
        pg18.execute("DROP TABLESPACE pf_space")
    assert result.verdict is Verdict.FAIL
    assert "GRANT CREATE ON TABLESPACE pf_space TO pf_owner" in result.hint


def test_one_check_that_cannot_run_hides_no_other(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever one raises is its own unknown result with the reason; the connection it lost is opened again."""

    def lost(connection: Connection, _: Database) -> Iterator[CheckResult]:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        yield from ()

    def broken(*_: object) -> Iterator[CheckResult]:
        raise ZeroDivisionError("a bug")

    def unreachable(*_: object) -> Iterator[CheckResult]:
        raise ConnectionRefusedError(111, "Connection refused")

    def denied(connection: Connection, _: Database) -> Iterator[CheckResult]:
        connection.execute("SELECT * FROM pg_authid")
        yield from ()

    questions = [DatabaseCheck(f"x.{ask.__name__}", ask) for ask in (broken, lost, unreachable, denied)]
    results = _judged(
        run_with_connection_check(
            database, SETTINGS, [*questions, DatabaseCheck("owner", check_owner)], Pulse()
        )
    )
    unknown = {name: result.observed for name, result in results.items() if result.verdict is Verdict.UNKNOWN}
    assert unknown["x.broken"] == "could not be checked: ZeroDivisionError: a bug"
    assert unknown["x.unreachable"] == "could not be checked: Connection refused"
    assert "terminating connection" in unknown["x.lost"]
    assert "permission denied for table pg_authid" in unknown["x.denied"]
    assert results["database.owner_role"].verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("change", "name", "observed"),
    (
        ({"owner_role": "pf_nobody"}, "database.owner_role", "no such role"),
        ({"owner_role": "pf_app"}, "database.owner_role", "may not become"),
        ({"app_role": "pf_nobody"}, "database.app_role", "no such role"),
    ),
)
def test_a_role_that_cannot_be_used_fails(
    database: Postgres, change: dict[str, Any], name: str, observed: str
) -> None:
    """Roles that do not exist, and an owner that the deployer may not become, fail."""
    result = _judged(check_database(database, SETTINGS.model_copy(update=change)))
    assert result[name].verdict is Verdict.FAIL
    assert observed in result[name].observed


def test_a_read_only_server_fails_and_hides_nothing_else(database: Postgres) -> None:
    """default_transaction_read_only is what a standby's address or a frozen database looks like."""
    frozen = Postgres(make_conninfo(database.dsn, options="-c default_transaction_read_only=on"))
    result = _judged(check_database(frozen, SETTINGS))
    assert result["database.writable"].verdict is Verdict.FAIL
    assert result["database.tables"].verdict is Verdict.PASS


def test_a_standby_fails(pg15: Server) -> None:
    """A real standby is told from a primary."""
    with standby_of(pg15) as standby:
        result = _judged(check_database(standby, SETTINGS))
    assert result["database.writable"].verdict is Verdict.FAIL
    assert result["database.writable"].observed == "a standby"


def test_an_old_server_fails(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version below the oldest supported one is named."""
    monkeypatch.setattr("cartctl.checks.database.server.OLDEST", 999999)
    result = _judged(check_database(database, SETTINGS))
    assert result["database.version"].verdict is Verdict.FAIL
    assert result["database.version"].observed.startswith("18.")


def test_a_database_that_does_not_answer_fails_without_its_password() -> None:
    """The failure says what the driver says, and not the password."""
    nowhere = Postgres("host=127.0.0.1 port=1 user=x password=hush dbname=x")
    result = _judged(check_database(nowhere, SETTINGS))
    assert result["database.reachable"].verdict is Verdict.FAIL
    assert "hush" not in str(result)


def test_a_lock_that_would_block_is_named(database: Postgres) -> None:
    """A transaction that wrote to a platform table and stays open fails with pid, application and how to end it."""
    settings = SETTINGS.model_copy(update={"lock_timeout": timedelta(0)})
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    with superuser.session("forgotten", autocommit=False) as holder:
        holder.execute("UPDATE companies SET name = name")
        result = _judged(check_blockers(database, settings, Pulse()))
        pid = holder.info.backend_pid
    assert result["blockers.locks"].verdict is Verdict.FAIL
    results = result["blockers.locks"].observed
    assert results.startswith(f"pid {pid} (user postgres, application cartctl forgotten, idle in transaction")
    assert "holds RowExclusiveLock on companies" in results
    assert f"pg_terminate_backend({pid})" in result["blockers.locks"].hint
    assert _judged(check_blockers(database, settings, Pulse()))["blockers.locks"].verdict is Verdict.PASS


def test_a_short_lock_and_a_reader_block_nothing(database: Postgres) -> None:
    """A writer younger than the lock timeout, and a reader of any age, pass."""
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    zero = SETTINGS.model_copy(update={"lock_timeout": timedelta(0)})
    with superuser.session("tests", autocommit=False) as holder:
        holder.execute("SELECT * FROM companies")
        assert _judged(check_blockers(database, zero, Pulse()))["blockers.locks"].verdict is Verdict.PASS
        holder.execute("UPDATE companies SET name = name")
        assert _judged(check_blockers(database, SETTINGS, Pulse()))["blockers.locks"].verdict is Verdict.PASS


def test_a_lock_whose_age_is_hidden_is_unknown(database: Postgres, pg18: Server) -> None:
    """Without pg_read_all_stats a lock that stays is unknown, and other roles' transactions are a warning."""
    pg18.execute("REVOKE pg_read_all_stats FROM pf_deployer")
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    try:
        with superuser.session("tests", autocommit=False) as holder:
            holder.execute("UPDATE companies SET name = name")
            result = _judged(check_blockers(database, SETTINGS, Pulse()))
        assert result["blockers.locks"].verdict is Verdict.UNKNOWN
        result = _judged(check_blockers(database, SETTINGS, Pulse()))
        assert result["blockers.locks"].verdict is Verdict.PASS
        assert result["blockers.transactions"].verdict is Verdict.WARN
    finally:
        pg18.execute("GRANT pg_read_all_stats TO pf_deployer")


def test_an_old_transaction_is_a_warning(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction older than five minutes is named; it may take a lock at any time."""
    monkeypatch.setattr("cartctl.checks.preflight.blockers.LONG", 0.0)
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    with superuser.session("report", autocommit=False) as idle:
        idle.execute("SELECT 1")
        result = _judged(check_blockers(database, SETTINGS, Pulse()))
        pid = idle.info.backend_pid
    assert result["blockers.transactions"].verdict is Verdict.WARN
    assert f"pid {pid} (user postgres, application cartctl report" in result["blockers.transactions"].observed


def test_seconds_are_reported(database: Postgres) -> None:
    """Each look says how long it took."""
    from cartctl.checks.preflight.preflight_check import PreflightCheck

    ask: Callable[[Pulse], Iterator[CheckResult]] = lambda _: check_database(database, SETTINGS)  # noqa: E731 - a look is a function
    results = PreflightCheck("database", ask).results(Pulse())
    assert sum(result.seconds for result in results) > 0
    assert dataclasses.is_dataclass(results[0])
