"""Whether a snapshot can be taken, how old the newest is, and whether the write-ahead log could bring back a point in time."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.checks.database.database_check import QUERY_LIMIT, DatabaseCheck, run_database_checks
from cartctl.checks.isolation import isolated
from cartctl.checks.results import failed, passed, warned
from cartctl.config.model.environment import Database
from cartctl.config.values import format_duration
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse
from cartctl.snapshots.backup_providers import Provider, newest
from cartctl.snapshots.source import dump_size
from cartctl.snapshots.storage.local import Store

_UNREADABLE = """
SELECT n.nspname || '.' || c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'cartctl_journal')
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind
    WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
  AND NOT EXISTS (  -- an extension's own tables are made anew with it, unless it says that their rows are configuration
    SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' AND c.oid <> ALL (coalesce(e.extconfig, '{}')))
ORDER BY 1 LIMIT 5
"""
_LARGE_OBJECTS = """
SELECT m.oid, pg_get_userbyid(m.lomowner) FROM pg_largeobject_metadata m
WHERE current_setting('lo_compat_privileges') = 'off'
  AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND NOT pg_has_role(m.lomowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) AS a WHERE a.privilege_type = 'SELECT'
                    AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
LIMIT 1
"""
_HIDDEN = """
SELECT c.oid::regclass::text FROM pg_class c WHERE c.relrowsecurity AND row_security_active(c.oid) ORDER BY 1 LIMIT 5
"""
_ARCHIVER = """
SELECT current_setting('archive_mode') <> 'off', current_setting('wal_level'), last_archived_time,
       coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false), last_failed_wal
FROM pg_stat_archiver
"""


def check_dump(
    postgres: Postgres, settings: Database, open_store: Callable[[], Store], pulse: Pulse
) -> Iterator[CheckResult]:
    """The tools, the right to read everything, and room for the dump; each by itself. Read-only."""
    sizes: list[int] = []

    def size(connection: Connection, _: Database) -> Iterator[CheckResult]:
        sizes.append(dump_size(connection))
        yield from ()

    questions = (
        DatabaseCheck("dump.tools", _tools),
        DatabaseCheck("dump.readable", _readable),
        DatabaseCheck("dump.large_objects", _large_objects),
        DatabaseCheck("dump.room", size),
    )
    yield from run_database_checks(postgres, settings, questions, pulse)
    if sizes:
        yield from isolated("dump.room", lambda: [_room(open_store(), sizes[0])], pulse)


def _tools(connection: Connection, _: Database) -> Iterator[CheckResult]:
    yield passed("dump.tools", f"pg_dump {find_tools(connection.info.server_version).version}")


def _large_objects(connection: Connection, _: Database) -> Iterator[CheckResult]:
    """A dump reads every large object, and pg_read_all_data is no right to them."""
    name, expected = "dump.large_objects", "all of them readable"
    row = connection.execute(_LARGE_OBJECTS).fetchone()
    if row is None:
        yield passed(name, expected)
        return
    hint = f"GRANT {row[1]} TO {connection.info.user}, or GRANT SELECT ON LARGE OBJECT {row[0]} (and on every other) TO it."
    yield failed(name, f"no SELECT on large object {row[0]} of {row[1]}", expected, hint)


def _readable(connection: Connection, _: Database) -> Iterator[CheckResult]:
    name, expected = "dump.readable", "every table readable, no rows hidden by a policy"
    if closed := [row[0] for row in connection.execute(_UNREADABLE).fetchall()]:
        hint = "GRANT pg_read_all_data to the deployer."
        yield failed(name, f"no SELECT on {', '.join(closed)}", expected, hint)
    elif hidden := [row[0] for row in connection.execute(_HIDDEN).fetchall()]:
        hint = "ALTER ROLE … BYPASSRLS for the deployer: a dump without these rows is incomplete."
        yield failed(name, f"row-level security on {', '.join(hidden)}", expected, hint)
    else:
        yield passed(name, expected)


def _room(store: Store, size: int) -> CheckResult:
    place, free = store.room()
    observed = f"{free / 1e6:,.1f} MB free in {place}"
    expected = f"{size / 1e6:,.1f} MB, the largest size of the dump"
    if free < size:
        hint = "Free disk space there, or set database.snapshots.url to a larger disk."
        return failed("dump.room", observed, expected, hint)
    return passed("dump.room", observed, expected)


def check_backup(
    open_store: Callable[[], Store], max_age: timedelta, *, follows: bool, now: datetime | None = None
) -> Iterator[CheckResult]:
    """The newest verified snapshot. A run that `follows` with one of its own needs no older one. Read-only."""
    name, expected = "backup", f"verified, at most {format_duration(max_age)} old"
    newest = open_store().newest_verified()
    age = None if newest is None else (now or datetime.now(UTC)) - newest.created_at
    observed = f"{newest.id}, {_rounded(age)} old" if newest and age is not None else "no verified snapshot"
    if age is not None and age <= max_age:
        yield passed(name, observed, expected)
    elif follows:
        yield passed(name, f"{observed}; this run takes one before its first change", expected)
    else:
        yield warned(name, observed, expected, "cartctl snapshot create (a deployment also takes one)")


def check_provider(
    provider: Provider, max_age: timedelta, pulse: Pulse, *, follows: bool
) -> Iterator[CheckResult]:
    """The newest backup of another tool, by that tool's word. Read-only."""
    backup = newest(provider, pulse)
    expected = f"at most {format_duration(max_age)} old"
    if backup is None:
        shown, young = f"{provider.name} has no backup", False
    else:
        age = datetime.now(UTC) - backup.at
        shown, young = f"{provider.name} {backup.id}, {_rounded(age)} old", age <= max_age
    if young:
        yield passed("backup", shown, expected)
    elif follows:
        yield passed("backup", f"{shown}; this run makes one before its first change", expected)
    else:
        yield warned("backup", shown, expected, "Make one (a deployment also makes one).")


def check_archive(provider: Provider, pulse: Pulse) -> Iterator[CheckResult]:
    """Whether the other tool could bring back a point in time. Read-only."""
    expected = "recovery to any point in time"
    if lacking := provider.lacking(pulse):
        yield warned(
            "recovery", f"{provider.name}: {lacking}", expected, "Only whole backups can be restored."
        )
    else:
        yield passed("recovery", f"{provider.name}: {expected}")


def check_recovery(postgres: Postgres) -> Iterator[CheckResult]:
    """Whether the server archives its write-ahead log without a later failure. Read-only."""
    with postgres.session("preflight", statement_timeout=QUERY_LIMIT) as connection:
        row = connection.execute(_ARCHIVER).fetchone()
    missing, archived = not_recoverable(*row) if row else ("pg_stat_archiver is empty", None)
    expected = "the write-ahead log is archived without failures"
    hint = "Until then, only whole snapshots can be restored; see archive_mode, archive_command and the server's log."
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
