"""What blocks a lock, a rename or a concurrent build: sessions, prepared transactions, autovacuum, replication.

Each is reported with the command that ends it. Read-only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.postgres import Connection

SHARE_ROW_EXCLUSIVE = (  # what conflicts with the lock that a new foreign key takes on the table it refers to
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
ACCESS_EXCLUSIVE = ("AccessShareLock", "RowShareLock", *SHARE_ROW_EXCLUSIVE)
# our own transactions do not block themselves
OURS = ("cartctl migrate", "cartctl drop", "cartctl restore rows")
NOBODY = "the session has ended"

# A prepared transaction has no pid and keeps the virtual id of the session that prepared it (after a restart -1 and
# its own id), so it is found by the transaction id that it holds locked under the same virtual id.
_HOLDERS = """
WITH prepared AS (
    SELECT l.virtualtransaction, p.gid, p.owner, p.prepared
    FROM pg_locks l JOIN pg_prepared_xacts p ON p.transaction = l.transactionid
    WHERE l.locktype = 'transactionid' AND l.pid IS NULL AND p.database = current_database()
), held AS (
    SELECT l.pid, l.virtualtransaction, string_agg(DISTINCT l.mode || ' on ' || c.relname, ', ') AS locks
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.locktype = 'relation' AND l.granted AND l.mode = ANY (%(modes)s)
      AND c.relname = ANY (%(tables)s) AND c.relnamespace = 'public'::regnamespace
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.pid IS DISTINCT FROM pg_backend_pid()
    GROUP BY l.pid, l.virtualtransaction
)
SELECT h.pid, h.virtualtransaction, h.locks, p.gid, p.owner, a.usename, a.application_name, a.backend_type, a.state,
       coalesce(a.query LIKE 'autovacuum:%%(to prevent wraparound)', false),
       extract(epoch FROM clock_timestamp() - a.query_start)::float8,
       extract(epoch FROM clock_timestamp() - coalesce(p.prepared, a.xact_start))::float8
FROM held h
LEFT JOIN pg_stat_activity a ON a.pid = h.pid
LEFT JOIN prepared p ON h.pid IS NULL AND p.virtualtransaction = h.virtualtransaction
WHERE coalesce(a.application_name, '') <> ALL (%(ours)s)
ORDER BY coalesce(p.prepared, a.xact_start), h.pid
"""
_OLDER = """
SELECT pid, pid::text, NULL, NULL, NULL, usename, application_name, backend_type, state,
       coalesce(query LIKE 'autovacuum:%%(to prevent wraparound)', false),
       extract(epoch FROM clock_timestamp() - query_start)::float8,
       extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
  AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR (%(idle)s AND backend_type = 'client backend'))
UNION ALL
SELECT NULL, gid, NULL, gid, owner, NULL, NULL, NULL, NULL, false, NULL,
       extract(epoch FROM clock_timestamp() - prepared)::float8
FROM pg_prepared_xacts WHERE database = current_database()
ORDER BY 12 DESC NULLS FIRST
"""
_IN_DATABASE = """
SELECT pid, pid::text, NULL, NULL, NULL, usename, application_name, backend_type, state, false,
       extract(epoch FROM clock_timestamp() - query_start)::float8,
       extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = %(name)s AND backend_type IN ('client backend', 'walsender', 'logical replication worker')
  AND coalesce(application_name, '') NOT LIKE 'cartctl %%'
UNION ALL
SELECT NULL, gid, NULL, gid, owner, NULL, NULL, NULL, NULL, false, NULL,
       extract(epoch FROM clock_timestamp() - prepared)::float8
FROM pg_prepared_xacts WHERE database = %(name)s
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Who blocks, what they hold, and what ends it. `age`: seconds of the transaction, None when hidden from our role.

    `key` is the same in two readings of one transaction.
    """

    key: str
    who: str
    holds: str
    ending: str
    age: float | None
    prepared: bool = False
    gives_way: bool = (
        False  # an ordinary autovacuum: the server cancels it when a lock has waited long enough
    )

    def __str__(self) -> str:
        return f"{self.who} holds {self.holds}" if self.holds else self.who


def lock_holders(connection: Connection, tables: Iterable[str], modes: tuple[str, ...]) -> list[Blocker]:
    """Who holds a lock of these `modes` on any of `tables` (names in schema public), the oldest first.

    No statement's text is shown, which may hold secrets. Our own sessions are not listed.
    """
    given = {"tables": list(tables), "modes": list(modes), "ours": list(OURS)}
    return [_blocker(*row) for row in connection.execute(_HOLDERS.encode(), given).fetchall()]


def open_transactions(connection: Connection, *, idle: bool) -> list[Blocker]:
    """Transactions of this database that a concurrent index build waits for, whatever they hold, the oldest first.

    With `idle` also those of clients that hold no snapshot now, and may take a lock at any time.
    """
    return [_blocker(*row) for row in connection.execute(_OLDER.encode(), {"idle": idle}).fetchall()]


def database_users(connection: Connection, name: str) -> list[Blocker]:
    """Who keeps a database from being renamed or dropped: clients, logical replication, prepared transactions.

    `connection` may be to another database of the same server; cartctl's own sessions are not listed.
    """
    return [_blocker(*row) for row in connection.execute(_IN_DATABASE.encode(), {"name": name}).fetchall()]


def named(blockers: Iterable[Blocker]) -> str:
    """All of them, for an error message."""
    return "; ".join(map(str, blockers)) or NOBODY


def endings(blockers: Iterable[Blocker], otherwise: str) -> str:
    """What to do about them, for an error's hint; only `otherwise` if nothing blocks any more. At most five are listed."""
    ways = list(dict.fromkeys(each.ending for each in blockers))[:5]
    return (
        f"Wait for them to finish, or end them: {'; '.join(ways)}. {otherwise}".strip() if ways else otherwise
    )


def _blocker(*row: Any) -> Blocker:
    pid, key, locks, gid, owner, user, application, kind, state, wraparound, since, age = row
    if pid is None:
        return _prepared(key, locks, gid, owner, age)
    facts = [f"user {user}" if user else "", f"application {application}" if application else "", state or ""]
    if kind not in {None, "client backend"}:
        facts.insert(0, f"{kind} to prevent wraparound" if wraparound else kind)
    facts += [f"statement started {since:.0f} s ago"] if since is not None else []
    shown = ", ".join(fact for fact in facts if fact) or "details hidden from this role"
    ordinary = kind == "autovacuum worker" and not wraparound
    return Blocker(
        str(key), f"pid {pid} ({shown})", locks or "", _ending(pid, kind, wraparound), age, gives_way=ordinary
    )


def _prepared(key: str, locks: str | None, gid: str | None, owner: str | None, age: float | None) -> Blocker:
    if gid is None:
        return Blocker(
            str(key), "a prepared transaction", locks or "", "see pg_prepared_xacts", age, prepared=True
        )
    quoted = gid.replace("'", "''")
    since = "" if age is None else f", prepared {age:.0f} s ago"
    ending = f"ROLLBACK PREPARED '{quoted}' or COMMIT PREPARED '{quoted}' (as {owner} or a superuser, in this database)"
    return Blocker(
        str(key),
        f"prepared transaction '{gid}' (owner {owner}{since})",
        locks or "",
        ending,
        age,
        prepared=True,
    )


def _ending(pid: int, kind: str | None, wraparound: bool) -> str:
    if wraparound:
        return f"wait for it to finish (pg_stat_progress_vacuum shows how far it is); SELECT pg_cancel_backend({pid}) stops it until it starts again"
    if kind == "autovacuum worker":
        return "the server cancels it when database.lock_timeout is longer than its deadlock_timeout"
    if kind == "walsender":
        return f"stop the subscriber or the tool that reads the replication slot, or SELECT pg_terminate_backend({pid})"
    if kind == "logical replication worker":
        return "ALTER SUBSCRIPTION … DISABLE"
    return f"SELECT pg_terminate_backend({pid})"
