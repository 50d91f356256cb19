"""A snapshot in the live database's place: proved first, swapped whole, the former one kept."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import psycopg
import pytest

from cartctl.adapters import effects
from cartctl.adapters.postgres import Postgres, SqlFailed
from cartctl.database.catalogue import fingerprint_hash, read_catalogue
from cartctl.database.migrations.apply import deploy
from cartctl.engine.pulse import Pulse
from cartctl.errors import CheckFailed, Refused
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.manifest.manifest import write_manifest
from cartctl.snapshots.restore.plan import Consent, plan_restore
from cartctl.snapshots.restore.run import _aside, restore
from cartctl.snapshots.storage.local import Store
from tests.database.conftest import Settings, settings
from tests.services import Server

__all__ = ["settings"]

FILL = """
INSERT INTO companies (id, name) SELECT 'c' || n, 'C' FROM generate_series(1, 10) AS n;
INSERT INTO carts (id, "companyId", "updatedAt") SELECT 'k' || n, 'c1', now() FROM generate_series(1, 50) AS n;
CREATE SCHEMA cartctl_journal; CREATE TABLE cartctl_journal.event (id int);
"""
AROUND = """
SELECT pg_get_userbyid(datdba), datcollate, datconnlimit, shobj_description(oid, 'pg_database'), datacl::text,
       (SELECT array_agg(setconfig::text ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)
FROM pg_database d WHERE datname = %s
"""


def names(server: Server) -> set[str]:
    """The databases of a server."""
    with psycopg.connect(server.dsn) as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}


def around(server: Server, name: str) -> tuple[object, ...] | None:
    """What surrounds a database."""
    with psycopg.connect(server.dsn) as connection:
        return connection.execute(AROUND, (name,)).fetchone()


def sql(database: Postgres, statement: str) -> list[tuple[object, ...]]:
    """Run one statement."""
    with database.session("tests") as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def live(pg18: Server, migrated: Postgres) -> Iterator[Subject]:
    """A migrated database with rows, and with everything around it that no dump holds."""
    sql(migrated, FILL)
    name = migrated.name
    for statement in (
        f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog',
        f"ALTER DATABASE \"{name}\" SET work_mem = '7MB'",
        f"ALTER ROLE postgres IN DATABASE \"{name}\" SET statement_timeout = '77s'",
        f"COMMENT ON DATABASE \"{name}\" IS 'the shop''s'",
        f'ALTER DATABASE "{name}" CONNECTION LIMIT 77',
        f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC',
        f'GRANT CONNECT ON DATABASE "{name}" TO pg_monitor',
    ):
        pg18.execute(statement)
    before = names(pg18)
    yield Subject("test", migrated, fingerprint_hash)
    for left in names(pg18) - before:
        pg18.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


@pytest.fixture
def taken(live: Subject, store: Store) -> str:
    """The id of its snapshot."""
    return create(live, store, "one", Pulse()).id


def test_all_of_it_is_as_then(pg18: Server, live: Subject, store: Store, taken: str) -> None:
    """Rows, structure and all around it are the snapshot's; the journal goes on, and the former database is kept."""
    database, before = live.database, around(pg18, live.database.name)
    with database.session("tests") as connection:
        structure = fingerprint_hash(connection)
    sql(
        database,
        "DELETE FROM carts; INSERT INTO cartctl_journal.event VALUES (7); CREATE TABLE later (id int)",
    )
    shown = plan_restore(live, store, taken, Pulse(), disconnect=False, consent=Consent.NONE)
    assert (shown.changed["public.carts"], shown.lost) == ((50, 0), 0)
    done = restore(live, store, taken, Pulse(), disconnect=False, accepted=None)
    assert sql(database, "SELECT count(*) FROM carts") == [(50,)]
    assert sql(database, "SELECT to_regclass('later')::text") == [(None,)]
    assert sql(database, "SELECT id FROM cartctl_journal.event") == [(7,)]
    with database.session("tests") as connection:
        assert fingerprint_hash(connection) == structure
    assert around(pg18, database.name) == before
    assert done.kept_as is not None
    assert sql(database.database(done.kept_as), "SELECT count(*) FROM later") == [(0,)]


def test_others_are_named_or_ended(live: Subject, store: Store, taken: str) -> None:
    """Somebody's connection stops it by name; with consent it is ended at the swap."""
    with psycopg.connect(live.database.dsn, application_name="somebody", autocommit=True) as other:
        with pytest.raises(Refused, match=r"pid \d+ \(user postgres, application somebody"):
            restore(live, store, taken, Pulse(), disconnect=False, accepted=None)
        restore(live, store, taken, Pulse(), disconnect=True, accepted=None)
        with pytest.raises(psycopg.OperationalError):
            other.execute("SELECT 1")


@pytest.mark.parametrize("name", ("pg_tools.restore", "postgres.restore.swap", "postgres.restore.create"))
def test_a_failure_half_way_changes_nothing(
    pg18: Server, live: Subject, store: Store, taken: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended anywhere before the swap the live database is as it was, open, and nothing of the new one is left."""
    before, surrounds = names(pg18), around(pg18, live.database.name)
    sql(live.database, "DELETE FROM carts")

    def fail(effect: str, moment: str) -> None:
        if (effect, moment) == (name, "before"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(effects, "probe", fail)
        with pytest.raises(KeyboardInterrupt):
            restore(live, store, taken, Pulse(), disconnect=True, accepted=None)
    assert names(pg18) == before
    assert around(pg18, live.database.name) == surrounds
    assert sql(live.database, "SELECT count(*) FROM carts") == [(0,)]


@pytest.mark.parametrize(("moment", "carts"), (("before", 0), ("after", 50)))
def test_a_connection_lost_at_the_swap_is_read_back(
    pg18: Server,
    live: Subject,
    store: Store,
    taken: str,
    moment: str,
    carts: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lost before the commit nothing was swapped, after it everything was; either way connections are allowed again."""
    before = names(pg18)
    sql(live.database, "DELETE FROM carts")

    def end(effect: str, when: str) -> None:
        if (effect, when) == ("postgres.restore.swap", moment):
            pg18.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%restore%'"
            )

    with monkeypatch.context() as patch:
        patch.setattr(effects, "probe", end)
        with pytest.raises(SqlFailed) if moment == "before" else nullcontext():
            restore(live, store, taken, Pulse(), disconnect=True, accepted=None)
    assert sql(live.database, "SELECT count(*) FROM carts") == [(carts,)]
    (other,) = names(pg18) - before  # kept aside, or unfinished and removed by the next restore
    assert sql(live.database.database(other), "SELECT count(*) FROM carts") == [(50 - carts,)]
    restore(live, store, taken, Pulse(), disconnect=True, accepted=None)
    assert sql(live.database, "SELECT count(*) FROM carts") == [(50,)]


def test_what_is_not_as_dumped_never_goes_live(pg18: Server, live: Subject, store: Store, taken: str) -> None:
    """A row too few after the restore stops it before the swap."""
    manifest = store.get(taken)
    tables = tuple(
        table.model_copy(update={"rows": table.rows + 1}) if table.name == "carts" else table
        for table in manifest.tables
    )
    write_manifest(store.path(taken), manifest.model_copy(update={"tables": tables}))
    before = names(pg18)
    with pytest.raises(CheckFailed, match=r"public\.carts has 50 instead of 51"):
        restore(live, store, taken, Pulse(), disconnect=True, accepted=None)
    assert names(pg18) == before


def test_a_newer_servers_snapshot_is_refused(pg15: Server, live: Subject, store: Store, taken: str) -> None:
    """What an older server could not read is refused before anything begins."""
    older = pg15.create_database()
    manifest = store.get(taken)
    server = manifest.server.model_copy(update={"database": older.name})
    write_manifest(store.path(taken), manifest.model_copy(update={"server": server}))
    with pytest.raises(Refused, match="newer than this server"):
        restore(
            Subject("test", older, fingerprint_hash), store, taken, Pulse(), disconnect=True, accepted=None
        )
    pg15.drop(older)


@pytest.mark.parametrize("env", ("test", "production"))
def test_a_snapshot_of_another_database_is_refused(
    platform_database: Postgres, live: Subject, store: Store, taken: str, env: str
) -> None:
    """Whose it is is named, by database and by environment, before anything is looked at."""
    other = Subject(env, platform_database if env == "test" else live.database, fingerprint_hash)
    result = f"is of the database {live.database.name} of environment test"
    with pytest.raises(Refused, match=result):
        plan_restore(other, store, taken, Pulse(), disconnect=True, consent=Consent.ANY)
    with pytest.raises(Refused, match=result):
        restore(other, store, taken, Pulse(), disconnect=True, accepted=None)


def test_a_structure_other_than_the_recorded_one_never_goes_live(
    pg18: Server, live: Subject, store: Store, taken: str
) -> None:
    """A superuser keeps every owner, so nothing excuses a difference: the live database stays."""
    before = names(pg18)
    other = replace(live, fingerprint=lambda _: "0" * 64)
    with pytest.raises(CheckFailed, match="The restored data differs from the snapshot: structure"):
        restore(other, store, taken, Pulse(), disconnect=True, accepted=None)
    assert names(pg18) == before


def test_a_role_without_the_rights_is_refused(pg18: Server, live: Subject, store: Store, taken: str) -> None:
    """Whoever may not make databases is told what is missing."""
    pg18.execute("CREATE ROLE nobody_much LOGIN")
    pg18.execute(f'GRANT CONNECT ON DATABASE "{live.database.name}" TO nobody_much')
    poor = Subject("test", pg18.database(live.database.name, user="nobody_much"), fingerprint_hash)
    with pytest.raises(Refused, match="may not replace the database"):
        restore(poor, store, taken, Pulse(), disconnect=True, accepted=None)
    pg18.execute("DROP OWNED BY nobody_much")
    pg18.execute(f'REVOKE CONNECT ON DATABASE "{live.database.name}" FROM nobody_much')
    pg18.execute("DROP ROLE nobody_much")


def test_a_database_that_is_gone_comes_back(pg18: Server, live: Subject, store: Store, taken: str) -> None:
    """With nothing left but the snapshot, its manifest says enough to make the database anew."""
    pg18.drop(live.database)
    done = restore(live, store, taken, Pulse(), disconnect=False, accepted=None)
    assert done.kept_as is None
    assert sql(live.database, "SELECT count(*) FROM carts") == [(50,)]


@pytest.fixture
def shop(server: Server, settings: Settings) -> Iterator[Postgres]:
    """A migrated database with rows that a role of its own owns, as its deployer sees it: a member, and no superuser."""
    database = server.create_platform()
    for role in ("rs_owner", "rs_other"):
        server.execute(f"CREATE ROLE {role} NOLOGIN")
    server.execute("CREATE ROLE rs_deployer LOGIN CREATEDB IN ROLE rs_owner, pg_read_all_data")
    server.execute(f'ALTER DATABASE "{database.name}" OWNER TO rs_owner')
    given = "SELECT format('ALTER TABLE %I OWNER TO rs_owner', tablename) FROM pg_tables WHERE schemaname = 'public'"
    for (statement,) in sql(database, given):
        sql(database, str(statement))
    deploy(database, settings(database, owner_role="rs_owner", app_role="pg_monitor"), "run", Pulse())
    sql(
        database,
        FILL.replace(
            "CREATE SCHEMA cartctl_journal", "CREATE SCHEMA cartctl_journal AUTHORIZATION rs_deployer"
        ),
    )
    sql(database, "ALTER TABLE cartctl_journal.event OWNER TO rs_deployer")
    before = names(server)
    yield database.as_user("rs_deployer")
    for left in (names(server) - before) | {database.name}:
        server.execute(f'DROP DATABASE "{left}" WITH (FORCE)')
    server.execute("DROP ROLE rs_deployer, rs_owner, rs_other")


def test_a_deployer_is_enough_on_every_server(server: Server, shop: Postgres, store: Store) -> None:
    """Without a superuser: rows, owners, grants and surroundings are as before, and both can be swapped again."""
    server.execute(f"ALTER DATABASE \"{shop.name}\" SET work_mem = '7MB'")
    subject = Subject("test", shop, fingerprint_hash)
    create(subject, store, "one", Pulse())
    before, structure = around(server, shop.name), catalogue(shop)
    sql(shop, "INSERT INTO cartctl_journal.event VALUES (7)")
    sql(server.database(shop.name), "DELETE FROM carts")
    restore(subject, store, "one", Pulse(), disconnect=False, accepted=None)
    assert sql(shop, "SELECT count(*) FROM carts") == [(50,)]
    assert sql(shop, "SELECT id FROM cartctl_journal.event") == [(7,)]
    assert (around(server, shop.name), catalogue(shop)) == (before, structure)
    superuser = Subject("test", server.database(shop.name), fingerprint_hash)
    assert restore(superuser, store, "one", Pulse(), disconnect=True, accepted=None).rows > 50
    assert catalogue(shop) == structure


def catalogue(database: Postgres) -> str:
    """The structure's text, without the journal."""
    with database.session("tests") as connection:
        return read_catalogue(connection).text


@pytest.mark.parametrize(
    ("statement", "expected"),
    (
        ('ALTER DATABASE "{name}" SET log_min_duration_statement = 7', "log_min_duration_statement"),
        ("ALTER ROLE rs_other IN DATABASE \"{name}\" SET work_mem = '7MB'", "permission denied"),
        ("ALTER ROLE rs_deployer NOCREATEDB", "ALTER ROLE rs_deployer CREATEDB"),
        ("REVOKE rs_owner FROM rs_deployer", "member of the role"),
        ("ALTER TABLE orders OWNER TO rs_other", "rs_other own some of it"),
    ),
)
@pytest.mark.parametrize("server", ("pg18",), indirect=True)
def test_a_deployer_that_could_not_keep_all_of_it_is_refused(
    server: Server, shop: Postgres, store: Store, statement: str, expected: str
) -> None:
    """What the role may not carry over is named before the rows are restored; nothing is left of the attempt."""
    superuser = server.database(shop.name)
    create(Subject("test", superuser, fingerprint_hash), store, "one", Pulse())
    sql(superuser, statement.format(name=shop.name))
    before = names(server)
    with pytest.raises(Refused) as refused:
        restore(
            Subject("test", shop, fingerprint_hash), store, "one", Pulse(), disconnect=False, accepted=None
        )
    assert expected in f"{refused.value.message} {refused.value.hint}"
    assert names(server) == before


@pytest.mark.parametrize("name", ("ä" * 31 + "x", "ß" * 31, "日" * 21))
def test_a_long_name_of_many_bytes_is_restored_and_kept(pg18: Server, store: Store, name: str) -> None:
    """63 and 62 bytes: the former database is kept under a name of its own, and a second restore keeps a second one."""
    pg18.execute(f'CREATE DATABASE "{name}"')
    before = names(pg18)
    try:
        subject = Subject("test", pg18.database(name), lambda _: "same")
        sql(subject.database, "CREATE TABLE t AS SELECT generate_series(1, 5) AS n")
        create(subject, store, "one", Pulse())
        kept = [
            restore(subject, store, "one", Pulse(), disconnect=False, accepted=None).kept_as for _ in range(2)
        ]
        assert names(pg18) - before == set(kept)
        assert len(set(kept)) == 2
        assert [sql(pg18.database(str(each)), "SELECT count(*) FROM t") for each in kept] == [[(5,)]] * 2
        assert sql(subject.database, "SELECT count(*) FROM t") == [(5,)]
    finally:
        for left in (names(pg18) - before) | {name}:
            pg18.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


def test_somebody_elses_database_of_that_name_stays(
    pg18: Server, live: Subject, store: Store, taken: str
) -> None:
    """Only what a killed restore has marked is cleared away, never a database because of its name."""
    others, left = f"{live.database.name}_restoring", f"{live.database.name}_restoring_2"
    for name in (others, left):
        pg18.execute(f'CREATE DATABASE "{name}"')
    pg18.execute(f"COMMENT ON DATABASE \"{left}\" IS 'cartctl: unfinished restore of {live.database.name}'")
    restore(live, store, taken, Pulse(), disconnect=False, accepted=None)
    assert others in names(pg18)
    assert left not in names(pg18)


def test_two_restores_within_a_second_keep_two_databases_aside(
    pg18: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one's gets a number: the name of the first is taken."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    monkeypatch.setattr("cartctl.snapshots.restore.run.datetime", SimpleNamespace(now=lambda _: now))
    with psycopg.connect(pg18.dsn, autocommit=True) as connection:
        first = _aside(connection, "shop")
        assert first == "shop_before_20260301000000"
        connection.execute(f'CREATE DATABASE "{first}"'.encode())
        try:
            assert _aside(connection, "shop") == f"{first}_2"
        finally:
            connection.execute(f'DROP DATABASE "{first}"'.encode())
