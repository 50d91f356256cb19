"""Whether a snapshot can be taken, how old the newest is, and whether the write-ahead log could bring back a point in time."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from cartctl.adapters.pg_tools import find_tools
from cartctl.adapters.postgres import Connection, Postgres
from cartctl.checks.preflight.database import QUERY_LIMIT
from cartctl.checks.preflight.look import failed, passed, warned
from cartctl.config.values import format_duration
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse
from cartctl.snapshots.elsewhere import Provider, newest
from cartctl.snapshots.store import Store

_UNREADABLE = """
SELECT n.nspname || '.' || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'cartctl_journal')
  AND NOT CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END
ORDER BY 1 LIMIT 5
"""
_HIDDEN = """
SELECT c.oid::regclass::text FROM pg_class c WHERE c.relrowsecurity AND row_security_active(c.oid) ORDER BY 1 LIMIT 5
"""
_ARCHIVER = """
SELECT current_setting('archive_mode') <> 'off', current_setting('wal_level'), last_archived_time,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), last_failed_wal
FROM pg_stat_archiver
"""


def look_at_dump(postgres: Postgres, open_store: Callable[[], Store]) -> Iterator[CheckResult]:
    """The tools, the right to read everything, and room on the disk. Read-only."""
    with postgres.session("preflight", statement_timeout=QUERY_LIMIT) as connection:
        tools = find_tools(connection.info.server_version)
        yield passed("dump.tools", f"pg_dump {tools.version}")
        yield _readable(connection)
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    yield _room(open_store(), int(row[0]) if row else 0)


def _readable(connection: Connection) -> CheckResult:
    name, expected = "dump.readable", "every table readable, none with rows hidden by a policy"
    if closed := [row[0] for row in connection.execute(_UNREADABLE).fetchall()]:
        hint = "GRANT pg_read_all_data to the deployer."
        return failed(name, f"no SELECT on {', '.join(closed)}", expected, hint)
    if hidden := [row[0] for row in connection.execute(_HIDDEN).fetchall()]:
        hint = "ALTER ROLE … BYPASSRLS for the deployer: a dump that leaves out rows is none."
        return failed(name, f"row-level security on {', '.join(hidden)}", expected, hint)
    return passed(name, expected)


def _room(store: Store, size: int) -> CheckResult:
    place, free = store.room()
    observed = f"{free / 1e6:,.1f} MB free in {place}"
    expected = f"{size / 1e6:,.1f} MB, the database's size"
    if free < size:
        hint = "Make room there, or set database.snapshots.url to a larger disk."
        return failed("dump.room", observed, expected, hint)
    return passed("dump.room", observed, expected)


def look_at_backup(
    open_store: Callable[[], Store], max_age: timedelta, *, follows: bool, now: datetime | None = None
) -> Iterator[CheckResult]:
    """The newest verified snapshot. A run that `follows` with one of its own needs no older one. Read-only."""
    name, expected = "backup", f"verified, at most {format_duration(max_age)} old"
    newest = open_store().newest_verified()
    age = None if newest is None else (now or datetime.now(UTC)) - newest.created_at
    told = f"{newest.id}, {_rounded(age)} old" if newest and age is not None else "no verified snapshot"
    if age is not None and age <= max_age:
        yield passed(name, told, expected)
    elif follows:
        yield passed(name, f"{told}; this run takes one before it changes anything", expected)
    else:
        yield warned(name, told, expected, "cartctl snapshot create (a deployment takes one by itself)")


def look_at_provider(
    provider: Provider, max_age: timedelta, pulse: Pulse, *, follows: bool
) -> Iterator[CheckResult]:
    """The newest backup of another tool, by that tool's word. Read-only."""
    told = newest(provider, pulse)
    expected = f"at most {format_duration(max_age)} old"
    if told is None:
        shown, young = f"no backup known to {provider.name}", False
    else:
        age = datetime.now(UTC) - told.at
        shown, young = f"{provider.name} {told.id}, {_rounded(age)} old", age <= max_age
    if young:
        yield passed("backup", shown, expected)
    elif follows:
        yield passed("backup", f"{shown}; this run has one made before it changes anything", expected)
    else:
        yield warned("backup", shown, expected, "Have one made (a deployment does so by itself).")


def look_at_archive(provider: Provider, pulse: Pulse) -> Iterator[CheckResult]:
    """Whether the other tool could bring back a point in time. Read-only."""
    expected = "a recovery to any point in time"
    if lacking := provider.lacking(pulse):
        yield warned(
            "recovery", f"{provider.name}: {lacking}", expected, "Only whole backups can be restored."
        )
    else:
        yield passed("recovery", f"{provider.name}: {expected}")


def look_at_recovery(postgres: Postgres) -> Iterator[CheckResult]:
    """Whether the server archives its write-ahead log without a later failure. Read-only."""
    with postgres.session("preflight", statement_timeout=QUERY_LIMIT) as connection:
        row = connection.execute(_ARCHIVER).fetchone()
    missing, archived = not_recoverable(*row) if row else ("nothing told", None)
    expected = "the write-ahead log archived, nothing failed since"
    hint = "Until it is, only whole snapshots can be restored; see archive_mode, archive_command and the server's log."
    if missing:
        yield warned("recovery", missing, expected, hint)
    else:
        yield passed("recovery", f"last archived {archived:%Y-%m-%d %H:%M:%S} UTC", expected)


def not_recoverable(
    on: bool, level: str, archived: datetime | None, failing: bool, segment: str | None
) -> tuple[str, datetime | None]:
    """What a recovery to a point in time lacks (empty: nothing), and when the last segment was archived."""
    if not on:
        return "archive_mode is off", None
    if level == "minimal":
        return "wal_level is minimal", None
    if failing:
        return f"archiving fails since {segment}", archived
    return ("" if archived else "archive_mode is on, nothing archived yet"), archived


def _rounded(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004 - minutes of an hour
