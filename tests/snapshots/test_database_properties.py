"""A restored database equals the original: locale provider, tablespaces, settings, grants and all else that no dump holds."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.drill import drill
from cartctl.snapshots.restore.run import restore
from cartctl.snapshots.restore.transfer import list_items
from cartctl.snapshots.storage.local import Store
from tests.services import Server

LIBC = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER libc"
ICU = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn'"
RULES = f"{ICU} ICU_RULES '&a < b <<< g'"
BUILTIN = "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'"
AROUND = """
SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,datlastsysoid}'::text[],
       shobj_description(d.oid, 'pg_database'),
       (SELECT array_agg(s.setrole::regrole::text || s.setconfig::text ORDER BY s.setrole)
        FROM pg_db_role_setting s WHERE s.setdatabase = d.oid)
FROM pg_database d WHERE datname = %s
"""
SETTINGS = (
    'ALTER DATABASE {d} SET search_path = public, "Ü, x", pg_catalog',
    "ALTER DATABASE {d} SET default_transaction_read_only = on",
    "ALTER DATABASE {d} SET session_preload_libraries = 'plpgsql'",
    "ALTER DATABASE {d} SET jit = off",
    "ALTER DATABASE {d} SET DateStyle = 'German, DMY'",
    "ALTER DATABASE {d} SET app.tenant = 'it''s, \"7\"'",
    "ALTER DATABASE {d} SET role = '{r}'",
    "ALTER ROLE {r} IN DATABASE {d} SET work_mem = '7MB'",
    "ALTER ROLE {r} IN DATABASE {d} SET temp_tablespaces = ''",
    "COMMENT ON DATABASE {d} IS 'the shop''s'",
    "ALTER DATABASE {d} CONNECTION LIMIT 7",
    "ALTER DATABASE {d} IS_TEMPLATE true",
    "REVOKE ALL ON DATABASE {d} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {d} TO {r} WITH GRANT OPTION",
    "SET ROLE {r}; GRANT CONNECT ON DATABASE {d} TO pg_monitor; RESET ROLE",
    "REVOKE TEMPORARY ON DATABASE {d} FROM {r}",
)


class Shop:
    """A database with a role of its own and a tablespace for itself and one for an index."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name, self.role = f"shop_{secrets.token_hex(3)}", f"role_{secrets.token_hex(3)}"
        self.spaces = (f"{self.name}_a", f"{self.name}_b")
        self.run(f"CREATE ROLE {self.role}")
        self.run(
            "SET allow_in_place_tablespaces = on",
            *(f"CREATE TABLESPACE {s} LOCATION ''" for s in self.spaces),
        )

    def run(self, *statements: str) -> None:
        """Statements on one connection to the maintenance database."""
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def make(self, locale: str) -> Subject:
        """Create the database in the first tablespace, with rows and an index in the second."""
        self.run(f"CREATE DATABASE {self.name} TEMPLATE template0 {locale} TABLESPACE {self.spaces[0]}")
        database = self.server.database(self.name)
        with database.session("tests") as connection:
            connection.execute("CREATE TABLE t (n int, x text)")
            connection.execute("INSERT INTO t SELECT n, 'ü' || n FROM generate_series(1, 9) AS n")
            connection.execute(f"CREATE INDEX t_n ON t (n) TABLESPACE {self.spaces[1]}".encode())
            connection.execute("SELECT lo_create(0)")
        return Subject("test", database, lambda _: "same")

    def around(self, name: str) -> tuple[object, ...] | None:
        """All that surrounds a database."""
        with psycopg.connect(self.server.dsn) as connection:
            return connection.execute(AROUND, (name,)).fetchone()

    def remove(self) -> None:
        """Drop what was made."""
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            names = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{self.name}%",)
            ).fetchall()
        for (name,) in names:
            self.run(f'ALTER DATABASE "{name}" IS_TEMPLATE false', f'DROP DATABASE "{name}" WITH (FORCE)')
        self.run(
            *(f"DROP TABLESPACE IF EXISTS {space}" for space in self.spaces),
            f"DROP ROLE IF EXISTS {self.role}",
        )


@pytest.fixture
def shop(server: Server) -> Iterator[Shop]:
    """One on each supported server in turn."""
    made = Shop(server)
    yield made
    made.remove()


def space_of_index(database: Postgres) -> object:
    """Where the index lies."""
    with database.session("tests") as connection:
        return connection.execute(
            "SELECT spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = reltablespace WHERE relname = 't_n'"
        ).fetchone()


@pytest.mark.parametrize(
    ("locale", "since"),
    ((LIBC, 15), (ICU, 15), (RULES, 16), (BUILTIN, 17)),
    ids=("libc", "icu", "rules", "builtin"),
)
def test_a_restored_database_equals_the_original(
    shop: Shop, store: Store, pg18: Server, locale: str, since: int
) -> None:
    """Every column of pg_database, the settings, grants with their grantors, comment; and a drill elsewhere judges the data."""
    if shop.server.version < since:
        pytest.skip("this version has no such provider")
    try:
        subject = shop.make(locale)
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this build has no ICU")
    create(subject, store, "one", Pulse())
    shop.run(*(each.format(d=shop.name, r=shop.role) for each in SETTINGS))
    before = shop.around(shop.name)
    done = restore(subject, store, "one", Pulse(), disconnect=False, accepted=None)
    assert shop.around(shop.name) == before
    assert space_of_index(subject.database) == (shop.spaces[1],)
    assert done.kept_as is not None
    elsewhere = pg18.database("postgres")
    if pg18 is not shop.server:
        results = {
            check.name: check.verdict
            for check in drill(store, "one", elsewhere, lambda _: "same", Pulse(), ours=True).checks
        }
        assert (results["restores"], results["rows"]) == (Verdict.PASS, Verdict.PASS)


def test_what_the_server_lacks_is_named_before_any_change(pg18: Server, store: Store) -> None:
    """A tablespace that is gone stops the restore by name; a drill on such a server still judges the data."""
    shop = Shop(pg18)
    try:
        subject = shop.make(LIBC)
        create(subject, store, "one", Pulse())
        with subject.database.session("tests") as connection:
            connection.execute("DROP INDEX t_n")
        shop.run(f"DROP TABLESPACE {shop.spaces[1]}")
        with pytest.raises(Refused, match=f"lacks .* the tablespace {shop.spaces[1]}"):
            restore(subject, store, "one", Pulse(), disconnect=False, accepted=None)
        result = drill(store, "one", pg18.database("postgres"), lambda _: "same", Pulse(), ours=False)
        assert result.verdict is Verdict.PASS
    finally:
        shop.remove()


def test_a_database_that_is_gone_gets_all_of_it(pg18: Server, store: Store) -> None:
    """The manifest alone brings back provider, settings and grants."""
    shop = Shop(pg18)
    try:
        subject = shop.make(BUILTIN)
        shop.run(*(each.format(d=shop.name, r=shop.role) for each in SETTINGS if "role =" not in each))
        create(subject, store, "one", Pulse())
        before = shop.around(shop.name)
        shop.run(f"ALTER DATABASE {shop.name} IS_TEMPLATE false", f"DROP DATABASE {shop.name}")
        restore(subject, store, "one", Pulse(), disconnect=False, accepted=None)
        assert shop.around(shop.name) == before
    finally:
        shop.remove()


@pytest.mark.parametrize(
    ("value", "items"),
    (
        ("a, b", ["a", "b"]),
        ('"$user", public', ["$user", "public"]),
        ('"a, b",c', ["a, b", "c"]),
        ('"a""b"', ['a"b']),
        ('""', [""]),
    ),
)
def test_lists_are_read_as_the_server_writes_them(value: str, items: list[str]) -> None:
    """Quoted names keep their commas and quotes."""
    assert list_items(value) == items
