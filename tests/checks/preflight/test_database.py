"""The database as the migrations need it: each requirement is broken once, and the preflight says which."""

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres import Postgres
from cartctl.checks.preflight.blockers import look_at_blockers
from cartctl.checks.preflight.database import look_at_database
from cartctl.config.model import Database
from cartctl.config.values import Secret
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from tests.services import Server, standby_of

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
        for role in ROLES:
            connection.execute(f"DROP OWNED BY {role}".encode())


def _judged(results: Iterator[CheckResult]) -> dict[str, CheckResult]:
    return {result.name: result for result in results}


def _break(database: Postgres, statement: str) -> None:
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    with superuser.session("tests") as connection:
        connection.execute(statement.encode())


def test_a_database_that_is_right_passes(database: Postgres) -> None:
    """Least privilege is enough: nothing but passes."""
    found = _judged(look_at_database(database, SETTINGS))
    assert {result.verdict for result in found.values()} == {Verdict.PASS}, found
    assert len(found) == 10


def test_every_supported_server_passes(server: Server) -> None:
    """The questions are understood by PostgreSQL 15, 16 and 18."""
    database = server.create_platform()
    try:
        settings = SETTINGS.model_copy(update={"owner_role": None, "app_role": None})
        found = _judged(look_at_database(database, settings))
        blockers = _judged(look_at_blockers(database, settings, Pulse()))
    finally:
        server.drop(database)
    assert {name for name, result in found.items() if result.verdict is not Verdict.PASS} == {
        "database.app_role"
    }
    assert {result.verdict for result in blockers.values()} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("statement", "name", "observed"),
    (
        ("DROP TABLE sites CASCADE", "database.tables", "sites is missing"),
        ("ALTER TABLE sites DROP COLUMN id CASCADE", "database.tables", "sites.id is missing"),
        ("ALTER TABLE sites ALTER id TYPE bigint USING 1", "database.tables", "sites.id is bigint"),
        ("ALTER TABLE sites DROP CONSTRAINT sites_pkey CASCADE", "database.tables", "sites.id is not unique"),
        ("REVOKE REFERENCES ON sites FROM pf_owner", "database.references", "not granted on sites"),
        ("REVOKE CREATE ON SCHEMA public FROM pf_owner", "database.create", "not granted"),
        (
            "DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM pf_deployer', current_database()); END $$",
            "database.schemas",
            "not granted",
        ),
    ),
)  # fmt: skip
def test_each_requirement_is_missed(database: Postgres, statement: str, name: str, observed: str) -> None:
    """What is broken fails by its name, with what was seen and what to do; nothing else does."""
    _break(database, statement)
    found = _judged(look_at_database(database, SETTINGS))
    assert {key for key, result in found.items() if result.verdict is Verdict.FAIL} == {name}
    assert observed in found[name].observed
    assert found[name].hint


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
    found = _judged(look_at_database(database, SETTINGS.model_copy(update=change)))
    assert found[name].verdict is Verdict.FAIL
    assert observed in found[name].observed


def test_a_read_only_server_fails_and_is_asked_nothing_more(database: Postgres) -> None:
    """default_transaction_read_only is what a standby's address or a frozen database looks like."""
    frozen = Postgres(make_conninfo(database.dsn, options="-c default_transaction_read_only=on"))
    found = _judged(look_at_database(frozen, SETTINGS))
    assert found["database.writable"].verdict is Verdict.FAIL
    assert "database.tables" not in found


def test_a_standby_fails(pg15: Server) -> None:
    """A real standby is told from a primary."""
    with standby_of(pg15) as standby:
        found = _judged(look_at_database(standby, SETTINGS))
    assert found["database.writable"].verdict is Verdict.FAIL
    assert found["database.writable"].observed == "a standby"


def test_an_old_server_fails(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version below the oldest supported one is named."""
    monkeypatch.setattr("cartctl.checks.preflight.database.OLDEST", 999999)
    found = _judged(look_at_database(database, SETTINGS))
    assert found["database.version"].verdict is Verdict.FAIL
    assert found["database.version"].observed.startswith("18.")


def test_a_database_that_does_not_answer_fails_without_its_password() -> None:
    """The failure says what the driver says, and not the password."""
    nowhere = Postgres("host=127.0.0.1 port=1 user=x password=hush dbname=x")
    found = _judged(look_at_database(nowhere, SETTINGS))
    assert found["database.reachable"].verdict is Verdict.FAIL
    assert "hush" not in str(found)


def test_a_lock_that_would_block_is_named(database: Postgres) -> None:
    """A transaction that wrote to a platform table and stays open fails with pid, application and how to end it."""
    settings = SETTINGS.model_copy(update={"lock_timeout": timedelta(0)})
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    with superuser.session("forgotten", autocommit=False) as holder:
        holder.execute("UPDATE companies SET name = name")
        found = _judged(look_at_blockers(database, settings, Pulse()))
        pid = holder.info.backend_pid
    assert found["blockers.locks"].verdict is Verdict.FAIL
    told = found["blockers.locks"].observed
    assert told.startswith(f"pid {pid} (user postgres, application cartctl forgotten, idle in transaction")
    assert "holds RowExclusiveLock on companies" in told
    assert f"pg_terminate_backend({pid})" in found["blockers.locks"].hint
    assert _judged(look_at_blockers(database, settings, Pulse()))["blockers.locks"].verdict is Verdict.PASS


def test_a_short_lock_and_a_reader_block_nothing(database: Postgres) -> None:
    """A writer younger than the lock timeout, and a reader of any age, pass."""
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    zero = SETTINGS.model_copy(update={"lock_timeout": timedelta(0)})
    with superuser.session("tests", autocommit=False) as holder:
        holder.execute("SELECT * FROM companies")
        assert _judged(look_at_blockers(database, zero, Pulse()))["blockers.locks"].verdict is Verdict.PASS
        holder.execute("UPDATE companies SET name = name")
        assert (
            _judged(look_at_blockers(database, SETTINGS, Pulse()))["blockers.locks"].verdict is Verdict.PASS
        )


def test_a_lock_whose_age_is_hidden_is_unknown(database: Postgres, pg18: Server) -> None:
    """Without pg_read_all_stats a lock that stays is unknown, and other roles' transactions are a warning."""
    pg18.execute("REVOKE pg_read_all_stats FROM pf_deployer")
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    try:
        with superuser.session("tests", autocommit=False) as holder:
            holder.execute("UPDATE companies SET name = name")
            found = _judged(look_at_blockers(database, SETTINGS, Pulse()))
        assert found["blockers.locks"].verdict is Verdict.UNKNOWN
        found = _judged(look_at_blockers(database, SETTINGS, Pulse()))
        assert found["blockers.locks"].verdict is Verdict.PASS
        assert found["blockers.transactions"].verdict is Verdict.WARN
    finally:
        pg18.execute("GRANT pg_read_all_stats TO pf_deployer")


def test_an_old_transaction_is_a_warning(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction older than five minutes is named; it may take a lock at any time."""
    monkeypatch.setattr("cartctl.checks.preflight.blockers.LONG", 0.0)
    superuser = Postgres(make_conninfo(database.dsn, user="postgres"))
    with superuser.session("report", autocommit=False) as idle:
        idle.execute("SELECT 1")
        found = _judged(look_at_blockers(database, SETTINGS, Pulse()))
        pid = idle.info.backend_pid
    assert found["blockers.transactions"].verdict is Verdict.WARN
    assert f"pid {pid} (user postgres, application cartctl report" in found["blockers.transactions"].observed


def test_seconds_are_told(database: Postgres) -> None:
    """Each look says how long it took."""
    from cartctl.checks.preflight.look import Look

    ask: Callable[[Pulse], Iterator[CheckResult]] = lambda _: look_at_database(database, SETTINGS)  # noqa: E731 - a look is a function
    results = Look("database", ask).take(Pulse())
    assert sum(result.seconds for result in results) > 0
    assert dataclasses.is_dataclass(results[0])
