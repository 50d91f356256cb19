"""Who stands in the way of a lock: named, so that a person can act."""

from collections.abc import Iterable

from cartctl.adapters.postgres import Connection

SHARE_ROW_EXCLUSIVE = (
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
ACCESS_EXCLUSIVE = ("AccessShareLock", "RowShareLock", *SHARE_ROW_EXCLUSIVE)


def blockers(connection: Connection, tables: Iterable[str], modes: tuple[str, ...]) -> list[str]:
    """Sessions that hold a lock conflicting with ours on any of `tables` (names in schema public), oldest first.

    One line each: pid, user, application, age of its statement in seconds, lock mode and table; no statement's text,
    which may hold secrets. Our own sessions are left out. Read-only.
    """
    rows = connection.execute(
        """SELECT format('pid %%s (user %%s, application %%s, %%s, statement begun %%s s ago) holds %%s on %%s',
                  a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed'), a.state,
                  round(extract(epoch FROM clock_timestamp() - a.query_start)), l.mode, c.relname)
           FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
           WHERE l.granted AND c.relname = ANY (%s) AND c.relnamespace = 'public'::regnamespace AND l.mode = ANY (%s)
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND a.application_name NOT IN ('cartctl migrate', 'cartctl drop')
           ORDER BY a.xact_start, a.pid, c.relname""",
        (list(tables), list(modes)),
    ).fetchall()
    return [str(row[0]) for row in rows]
