"""The settings that every session has, whatever the server, database, role or PGOPTIONS set as defaults.

Drivers and tools read dates, intervals, identifiers and literals in one spelling; and a timeout that somebody set for
the application must not end a migration. Whether a session may write is not pinned: a read-only default stays one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.types.string import TextLoader

from cartctl.errors import Refused

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

_SPELLING = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "quote_all_identifiers": "off",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "xmloption": "content",
    "row_security": "off",  # a policy that would hide rows raises an error instead
    "client_min_messages": "warning",
}
_PINNED = {
    **_SPELLING,
    "search_path": "public",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}
_SINCE = {"idle_session_timeout": 140000, "transaction_timeout": 170000}  # server_version_num
_EACH = sql.SQL("CASE WHEN direct THEN set_config(%s, %s, false) END")
_DURABLE = sql.SQL(  # what is committed is on the disk; a wait for standbys stays as it is
    """CASE WHEN direct AND current_setting('synchronous_commit') = 'off'
       THEN set_config('synchronous_commit', 'on', false) END"""
)


def pinned(version: int) -> dict[str, str]:
    """The pinned settings of a server by its `server_version_num`."""
    return {name: value for name, value in _PINNED.items() if version >= _SINCE.get(name, 0)}


def settle(connection: Connection, settings: Mapping[str, str]) -> None:
    """Pin the session's settings, with `settings` over them, unless the server that responds is a pooler's.

    A pooler's sessions are the application's too: a setting would stay there, and a lock might be anybody's.
    Raises Refused then.
    """
    effective = {**pinned(connection.info.server_version), **settings}
    each = [_EACH] * len(effective) + ([] if "synchronous_commit" in settings else [_DURABLE])
    query = sql.SQL("SELECT direct, {} FROM (SELECT pg_backend_pid() = %s AS direct) AS server").format(
        sql.SQL(", ").join(each)
    )
    values = [part for pair in effective.items() for part in pair]
    row = connection.execute(query, [*values, connection.info.backend_pid]).fetchone()
    if row is None or not row[0]:
        raise Refused(
            "This address is a connection pooler: locks and settings would be lost, or affect other clients.",
            hint="Set database.dsn to the server's own address.",
        )


@contextmanager
def as_application(connection: Connection) -> Iterator[None]:
    """A block with the settings that the database and the role have for an application's session; timeouts stay ours.

    Session settings that its statements change are reset at the block's end.
    """
    names = ["client_encoding", *pinned(connection.info.server_version)]
    each = sql.SQL(", ").join([sql.SQL("current_setting(%s)")] * len(names))
    before = connection.execute(sql.SQL("SELECT {}").format(each), names).fetchone() or ()
    for name in _SPELLING:
        connection.execute(sql.SQL("RESET {}").format(sql.Identifier(name.lower())))
    yield
    each = sql.SQL(", ").join([sql.SQL("set_config(%s, %s, false)")] * len(names))
    values = [part for pair in zip(names, before, strict=True) for part in pair]
    connection.execute(sql.SQL("SELECT {}").format(each), values)


def as_text(cursor: "psycopg.Cursor[tuple[Any, ...]]", type_name: str) -> None:
    """Make this cursor return values of a type as the server's text."""
    cursor.adapters.register_loader(type_name, TextLoader)


def as_options(settings: Mapping[str, str]) -> str:
    """Settings as libpq's parameter `options` spells them."""
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items())


def milliseconds(value: timedelta) -> str:
    """A duration as PostgreSQL's timeouts read it."""
    return f"{round(value.total_seconds() * 1000)}ms"


def _escaped(value: str) -> str:
    return "".join(f"\\{letter}" if letter.isspace() or letter == "\\" else letter for letter in value)
