"""Reads the database for a snapshot, in one exported, read-only transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.postgres import Connection, Postgres, SqlFailed
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.snapshots.data_loss.database_state import read_state
from cartctl.snapshots.manifest.database_properties import DatabaseProperties, read_properties
from cartctl.snapshots.manifest.manifest import Server, Target
from cartctl.snapshots.manifest.recorded_state import State, Table

LOCK_WAIT = "30s"
DENIED = "42501"  # SQLSTATE insufficient_privilege

Fingerprint = Callable[[Connection], str]

_SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), d.datname,
       pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype
FROM pg_database d WHERE d.datname = current_database()
"""
_TARGET = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text,
       clock_timestamp(), (SELECT timeline_id FROM pg_control_checkpoint())
"""
_ROLES = """
SELECT DISTINCT pg_get_userbyid(refobjid) FROM pg_shdepend
WHERE refclassid = 'pg_authid'::regclass AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database() ORDER BY 1
"""
_DUMP_SIZE = """
SELECT (coalesce(sum(pg_table_size(c.oid)), 0) + pg_table_size('pg_largeobject'))::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
  AND n.nspname NOT IN ('information_schema', 'cartctl_journal')
"""
_TABLESPACES = """
SELECT DISTINCT spcname FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE spcname <> 'pg_global' ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """The manifest's part about the database."""

    server: Server
    target: Target
    heads: tuple[str, ...]
    ledger_rows: int | None
    tables: tuple[Table, ...]
    fingerprint: str
    roles: tuple[str, ...]
    surroundings: DatabaseProperties
    tablespaces: tuple[str, ...]
    state: State


@contextmanager
def exported(database: Postgres) -> Iterator[tuple[Connection, str]]:
    """A read-only transaction and the name under which others may see the same state of the database."""
    # No row may be hidden by a policy: with row_security off the server refuses instead.
    limits = {
        "lock_timeout": LOCK_WAIT,
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "row_security": "off",
    }
    try:
        with database.session("snapshot", autocommit=False, **limits) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection, str(_one(connection, "SELECT pg_export_snapshot()")[0])
    except SqlFailed as failed:
        if failed.sqlstate == DENIED:
            raise Refused(
                f"A snapshot must read everything: {failed.message}.",
                hint="GRANT pg_read_all_data to the deployer (runbooks/postgres/roles.sql).",
            ) from failed
        raise


def read_facts(connection: Connection, fingerprint: Fingerprint, pulse: Pulse) -> Facts:
    """The manifest's values that SQL provides; rows are counted exactly. Read-only."""
    with pulse.cancelling(connection.cancel_safe):
        lsn, at, timeline = _one(connection, _TARGET)
        tables, state = read_state(connection)
        return Facts(
            server=_server(connection),
            target=Target(wal_lsn=lsn, at=at, timeline=timeline),
            heads=_heads(connection),
            ledger_rows=_ledger_rows(connection),
            fingerprint=fingerprint(connection),
            tables=tables,
            state=state,
            roles=tuple(str(row[0]) for row in connection.execute(_ROLES).fetchall()),
            surroundings=read_properties(connection, connection.info.dbname),
            tablespaces=tuple(str(row[0]) for row in connection.execute(_TABLESPACES).fetchall()),
        )


def database_size(connection: Connection) -> int:
    """Bytes of the database on the server's disk, indexes included: a dump of it is never larger. Read-only."""
    return int(_one(connection, "SELECT pg_database_size(current_database())")[0])


def dump_size(connection: Connection) -> int:
    """Bytes that a dump takes at most: the tables and large objects as they are, without indexes. Read-only."""
    return int(_one(connection, _DUMP_SIZE)[0])


def _server(connection: Connection) -> Server:
    number, version, name, owner, encoding, collation, character_type = _one(connection, _SERVER)
    return Server(
        version_num=number,
        version=version,
        database=name,
        owner=owner,
        encoding=encoding,
        collation=collation,
        character_type=character_type,
    )


def _heads(connection: Connection) -> tuple[str, ...]:
    if _one(connection, "SELECT to_regclass('cartctl.alembic_version')")[0] is None:
        return ()
    rows = connection.execute("SELECT version_num FROM cartctl.alembic_version ORDER BY 1").fetchall()
    return tuple(row[0] for row in rows)


def _ledger_rows(connection: Connection) -> int | None:
    if _one(connection, "SELECT to_regclass('public._prisma_migrations')")[0] is None:
        return None
    return int(_one(connection, "SELECT count(*) FROM public._prisma_migrations")[0])


def _one(connection: Connection, query: Any) -> tuple[Any, ...]:
    """The row of a query that always returns one."""
    row = connection.execute(query).fetchone()
    return row if row is not None else ()
