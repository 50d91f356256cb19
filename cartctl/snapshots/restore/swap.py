"""Swaps two databases: transfers properties, blocks connections, and renames both in one transaction.

Everything here runs on a connection to the maintenance database, since neither of the two may have connections.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, DatabaseUnreachable, sql
from cartctl.adapters.postgres.blockers import database_users, endings, named
from cartctl.derived_names import derive_name
from cartctl.engine.pulse import Pulse
from cartctl.errors import Locked, Refused, StepFailed
from cartctl.snapshots.manifest.database_properties import DatabaseProperties
from cartctl.snapshots.restore.transfer import finish, set_comment

KEY = (0x63617274, 0x72657374)  # "cart", "rest"
_OTHERS = b"""
FROM pg_stat_activity WHERE datname = %s AND pid <> %s AND backend_type NOT LIKE 'autovacuum%%'
"""  # the server terminates autovacuum workers itself
_ENDING = "terminating the database's connections"
RESTARTING = 60.0  # seconds that a server may take until it accepts connections again
LEAVING = 10.0  # seconds for terminated connections to disappear


@contextmanager
def holding(connection: Connection, name: str) -> Iterator[None]:
    """One restore at a time on a server, whatever happens to the databases' names. Raises Locked."""
    if connection.execute("SELECT pg_try_advisory_lock(%s, %s)", KEY).fetchone() != (True,):
        raise Locked(f"Another restore is running on the server of {name}.", hint="Wait for it to end.")
    yield


def exists(connection: Connection, name: str) -> bool:
    """Whether there is a database of this name. Read-only."""
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None


def free_name(connection: Connection, base: str, suffix: str) -> str:
    """A name for a database beside `base` that no database of the server has. Read-only."""
    return derive_name(base, suffix, in_use=lambda name: exists(connection, name))


def unfinished(connection: Connection, live: str) -> list[str]:
    """Databases that a killed restore of `live` has left. Read-only."""
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = %s AND datname <> %s",
        (_mark_of(live), live),
    ).fetchall()
    return [str(row[0]) for row in rows]


def mark_unfinished(connection: Connection, name: str, live: str) -> None:
    """Mark a new database as an unfinished restore of `live`, until its real comment is set."""
    set_comment(connection, name, _mark_of(live))


def _mark_of(live: str) -> str:
    return f"cartctl: unfinished restore of {live}"


def other_owners(connection: Connection, name: str) -> list[str]:
    """Roles other than its owner and the current one that own objects in a database. Read-only."""
    rows = connection.execute(
        """SELECT DISTINCT pg_get_userbyid(refobjid) FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
           WHERE d.datname = %s AND refclassid = 'pg_authid'::regclass AND deptype = 'o' AND refobjid <> d.datdba
             AND pg_get_userbyid(refobjid) <> current_user ORDER BY 1""",
        (name,),
    ).fetchall()
    return [str(row[0]) for row in rows]


def connected(connection: Connection, name: str) -> list[str]:
    """Who is connected to a database, logical replication included, one line each; not cartctl's own sessions. Read-only."""
    return [str(each) for each in database_users(connection, name) if not each.prepared]


def refuse_connected(connection: Connection, live: str, *, disconnect: bool) -> None:
    """Raise Refused, naming all connections, unless they may be terminated."""
    if not disconnect and (others := connected(connection, live)):
        raise Refused(
            f"Other sessions are connected to {live}: {'; '.join(others)}.",
            hint="Stop them, or use --disconnect to terminate them at the swap.",
        )


def refuse_prepared(connection: Connection, live: str) -> None:
    """Raise Refused naming prepared transactions: nobody can end them once connections are blocked. Read-only."""
    if blocking := [each for each in database_users(connection, live) if each.prepared]:
        raise Refused(
            f"Prepared transactions block renaming {live}: {named(blocking)}.",
            hint=endings(blocking, "Then run the restore again."),
        )


class FinalCheck(Protocol):
    """The check when all clients are disconnected, on an existing connection."""

    def waiting(self) -> AbstractContextManager[Connection]:
        """That connection."""

    def refuse_now(self, connection: Connection) -> None:
        """Raise Refused to keep the live database in place."""


@dataclass(frozen=True, slots=True)
class Names:
    """The live database, the one that takes its name, and the name that the live one keeps."""

    live: str
    new: str
    aside: str


def swap(
    connection: Connection,
    names: Names,
    pulse: Pulse,
    *,
    disconnect: bool,
    around: DatabaseProperties,
    final_check: FinalCheck | None,
    reconnect: Callable[[], AbstractContextManager[Connection]],
) -> None:
    """Block and terminate connections to the live database, and rename both in one transaction; undone on failure.

    `around` is what surrounds the live database; until now the new one's comment said that it was unfinished.
    `final_check` runs when nobody else is connected. Where the connection is lost, `reconnect` gives another, and the
    server says whether the transaction was committed: it is never repeated. Raises what `final_check` raises, and Refused
    for connections of others unless they may be ended (`disconnect`).
    """
    live, new, aside = names.live, names.new, names.aside
    there = exists(connection, live)
    restored = _oid(connection, new)
    try:
        if there and final_check:
            with final_check.waiting() as watcher:
                _allow(connection, live, allowed=False)
                refuse_connected(connection, live, disconnect=disconnect)
                own = watcher.info.backend_pid
                connection.execute(b"SELECT pg_terminate_backend(pid)" + _OTHERS, (live, own))
                pulse.wait(lambda: _left(connection, live, own), LEAVING, what=_ENDING)
                final_check.refuse_now(watcher)
            pulse.wait(lambda: _left(connection, live, 0), LEAVING, what=_ENDING)
        with effect("postgres.restore.swap"), connection.transaction():
            if there:
                _rename(connection, live, aside)
            finish(connection, new, around)
            _rename(connection, new, live)
        if there:
            _allow(connection, aside, allowed=True)
    except BaseException:
        with (
            nullcontext(connection) if not connection.closed else _again(reconnect, live, pulse) as open_again
        ):
            swapped = _oid(open_again, live) == restored
            if there:
                _allow(open_again, aside if swapped else live, allowed=True)
        if not (swapped and connection.closed):
            raise


@contextmanager
def _again(
    reconnect: Callable[[], AbstractContextManager[Connection]], live: str, pulse: Pulse
) -> Iterator[Connection]:
    """Another connection after one was lost, for as long as a server takes to restart. Raises StepFailed without one."""
    uninterrupted = pulse.without_alarms()
    end = uninterrupted.now() + RESTARTING
    with ExitStack() as stack:
        while True:
            try:
                connection = stack.enter_context(reconnect())
                break
            except DatabaseUnreachable as unreachable:
                if uninterrupted.now() >= end:
                    raise StepFailed(
                        f"The connection was lost while {live} was replaced: {unreachable.message} "
                        f"{live} may refuse connections until this is repaired.",
                        hint=f"Once the server runs: psql -d postgres -c 'ALTER DATABASE \"{live}\" ALLOW_CONNECTIONS true', "
                        "then: cartctl migrate status",
                    ) from unreachable
                uninterrupted.pause(1.0)
        yield connection


def _oid(connection: Connection, name: str) -> int | None:
    row = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = %s", (name,)).fetchone()
    return int(row[0]) if row else None


def _left(connection: Connection, name: str, own: int) -> bool:
    row = connection.execute(b"SELECT count(*)" + _OTHERS, (name, own)).fetchone()
    return row == (0,)


def _allow(connection: Connection, name: str, *, allowed: bool) -> None:
    statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Literal(allowed)))


def _rename(connection: Connection, name: str, to: str) -> None:
    connection.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to))
    )
