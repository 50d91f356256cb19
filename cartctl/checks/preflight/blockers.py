"""Whether somebody holds what the migrations' locks would have to wait for."""

from collections.abc import Iterator
from typing import Any

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.checks.preflight.database import PLATFORM, QUERY_LIMIT
from cartctl.checks.preflight.look import failed, passed, unknown, warned
from cartctl.config.model import Database
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse

LONG = 300.0  # seconds after which a transaction is worth a warning
AGAIN = 0.3  # seconds between two looks at a transaction whose age is hidden from us

# SHARE ROW EXCLUSIVE, which a new foreign key takes on the table it points to, conflicts with all of these.
_CONFLICTING = (
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
# Autovacuum steps aside for DDL, unless it prevents a wraparound.
_HOLDERS = """
SELECT l.pid, coalesce(nullif(a.application_name, ''), a.backend_type, '?'), a.usename,
       extract(epoch FROM clock_timestamp() - coalesce(p.prepared, a.xact_start))::float8,
       string_agg(DISTINCT l.relation::regclass::text || ' ' || l.mode, ', '), l.virtualtransaction, p.gid
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
LEFT JOIN pg_prepared_xacts p ON l.pid IS NULL AND p.transaction::text = split_part(l.virtualtransaction, '/', 2)
WHERE l.locktype = 'relation' AND l.granted AND l.mode = ANY (%(modes)s)
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN (SELECT oid FROM pg_class
                     WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%(names)s))
  AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND NOT (coalesce(a.backend_type, '') = 'autovacuum worker' AND a.query NOT LIKE '%%to prevent wraparound%%')
GROUP BY 1, 2, 3, 4, 6, 7
"""
_OLD = """
SELECT pid, coalesce(nullif(application_name, ''), backend_type, '?'), usename,
       extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND xact_start < clock_timestamp() - make_interval(secs => %(long)s)
ORDER BY xact_start LIMIT 5
"""
_MAY_SEE = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"


def look_at_blockers(postgres: Postgres, settings: Database, pulse: Pulse) -> Iterator[CheckResult]:
    """Locks on the platform's tables held longer than the migrations would wait, and old transactions. Read-only."""
    limit = settings.lock_timeout.total_seconds()
    with postgres.session("preflight", statement_timeout=QUERY_LIMIT) as connection:
        yield _locks(connection, limit, pulse)
        yield _transactions(connection)


def _locks(connection: Connection, limit: float, pulse: Pulse) -> CheckResult:
    name, expected = "blockers.locks", f"none held for more than {limit:g} s"
    holders = _holders(connection)
    hidden = {row[5] for row in holders if row[3] is None}
    if (
        hidden
    ):  # without pg_read_all_stats an age is hidden; who still holds its lock later is no short transaction
        pulse.pause(AGAIN)
        holders = _holders(connection)
    blocking = [row for row in holders if row[3] is not None and row[3] > limit]
    if blocking:
        told = "; ".join(_told(*row) for row in blocking)
        return failed(name, told, expected, _ending(blocking))
    if still := [row for row in holders if row[3] is None and row[5] in hidden]:
        told = "; ".join(_told(*row) for row in still)
        return unknown(
            name, told, expected, "GRANT pg_read_all_stats to the deployer, so that ages can be seen."
        )
    return passed(name, "none", expected)


def _transactions(connection: Connection) -> CheckResult:
    name, expected = "blockers.transactions", f"none older than {LONG:g} s"
    if rows := connection.execute(_OLD, {"long": LONG}).fetchall():
        told = "; ".join(f"pid {pid} ({app}, {user}) for {age:.0f} s" for pid, app, user, age in rows)
        return warned(name, told, expected, "Let them end first: they may take a lock at any time.")
    may_see = connection.execute(_MAY_SEE).fetchone()
    if may_see != (True,):
        hint = "GRANT pg_read_all_stats to the deployer."
        return warned(name, "those of other roles cannot be seen", expected, hint)
    return passed(name, "none", expected)


def _holders(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(_HOLDERS, {"modes": list(_CONFLICTING), "names": list(PLATFORM)}).fetchall()


def _told(*row: Any) -> str:
    pid, app, user, age, locks, _, prepared = row
    who = f"prepared transaction {prepared}" if pid is None else f"pid {pid} ({app}, {user or '?'})"
    return f"{who} holds {locks}" + ("" if age is None else f" for {age:.0f} s")


def _ending(blocking: list[tuple[Any, ...]]) -> str:
    pids = [row[0] for row in blocking if row[0] is not None]
    ways = [f"SELECT pg_terminate_backend({pid})" for pid in pids]
    ways += [f"ROLLBACK PREPARED '{row[6]}'" for row in blocking if row[0] is None]
    return "Let it end, or end it: " + "; ".join(ways)
