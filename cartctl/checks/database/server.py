"""The server: version, writes, settings that DDL obeys, standbys that commits wait for, room for locks and connections."""

import re
from collections.abc import Callable, Iterator

from cartctl.adapters.postgres import Connection
from cartctl.checks.database.database_check import Ask, creator, one
from cartctl.checks.results import failed, passed, unknown, warned
from cartctl.config.model.environment import Database
from cartctl.engine.model import CheckResult

OLDEST = 140000  # server_version_num
WITH_COLLATION_VERSION = 150000  # server_version_num since which a database records its collation's version
OLD_IDS, LAST_IDS = (
    1_500_000_000,
    2_140_000_000,
)  # transaction ids in use: time for a vacuum; the server takes no writes
OBJECTS = 200  # relations that the migrations, or the drop, lock in one transaction, indexes and system tables included

_STATE = """
SELECT current_setting('server_version'), pg_is_in_recovery(),
       current_setting('default_transaction_read_only') = 'on'
"""
_TABLESPACE = """
SELECT current_setting('default_tablespace'), current_setting('default_table_access_method'),
       EXISTS (SELECT FROM pg_tablespace t WHERE t.spcname = current_setting('default_tablespace')
         AND t.oid <> (SELECT dattablespace FROM pg_database WHERE datname = current_database())
         AND NOT has_tablespace_privilege(%(role)s, t.oid, 'CREATE'))
"""
_COLLATION = """
SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database WHERE datname = current_database()
"""
_IDS = "SELECT max(greatest(age(datfrozenxid), mxid_age(datminmxid))) FROM pg_database"
_STANDBYS = """
SELECT current_setting('synchronous_standby_names'), current_setting('synchronous_commit'),
       (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
"""
_CONNECTIONS = """
WITH used AS (
    SELECT datid, usesysid FROM pg_stat_activity
    WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
      AND coalesce(application_name, '') <> 'cartctl preflight')
SELECT (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int WHEN 'superuser_reserved_connections'
            THEN CASE WHEN r.rolsuper THEN 0 ELSE -setting::int END
            ELSE CASE WHEN r.rolsuper THEN 0 ELSE -setting::int END END) FROM pg_settings
        WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections'))
         - (SELECT count(*) FROM used),
       CASE WHEN d.datconnlimit >= 0 AND NOT r.rolsuper
            THEN d.datconnlimit - (SELECT count(*) FROM used WHERE datid = d.oid) END,
       CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper
            THEN r.rolconnlimit - (SELECT count(*) FROM used WHERE usesysid = r.oid) END,
       pg_database_size(d.oid)
FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = session_user
"""
_LOCKS = """
SELECT current_setting('max_locks_per_transaction')::int
         * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int),
       (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relpersistence <> 't'
          AND relnamespace <> ALL (ARRAY['pg_catalog'::regnamespace, 'information_schema'::regnamespace]))
"""


def check_server(connection: Connection, _: Database) -> Iterator[CheckResult]:
    """A supported version that takes writes, whose collation and transaction ids are in order."""
    version, standby, read_only = one(connection, _STATE)
    number = connection.info.server_version
    yield (
        passed("database.version", version)
        if number >= OLDEST
        else failed("database.version", version, "14 or newer", "Upgrade the server before deploying.")
    )
    expected = "a primary that accepts writes"
    if standby or read_only:
        observed = "a standby" if standby else "default_transaction_read_only is on"
        yield failed("database.writable", observed, expected, "Set database.dsn to the primary.")
    else:
        yield passed("database.writable", expected)
    yield from _collation(connection, number)
    yield from _ids(connection)


def _collation(connection: Connection, number: int) -> Iterator[CheckResult]:
    if number < WITH_COLLATION_VERSION:
        return
    recorded, actual = one(connection, _COLLATION)
    if recorded is not None and recorded != actual:
        hint = "Rebuild indexes on text, then: ALTER DATABASE … REFRESH COLLATION VERSION."
        observed = f"created with version {recorded}, the server has {actual}"
        yield warned("database.collation", observed, "the version it was created with", hint)


def _ids(connection: Connection) -> Iterator[CheckResult]:
    (age,) = one(connection, _IDS)
    observed, expected = f"{age:,} transaction IDs in use", f"fewer than {OLD_IDS:,}"
    hint = "VACUUM the oldest tables first (pg_class.relfrozenxid): near 2,147 million, the server stops accepting writes."
    if age >= LAST_IDS:
        yield failed("database.transaction_ids", observed, expected, hint)
    elif age >= OLD_IDS:
        yield warned("database.transaction_ids", observed, expected, hint)


def check_settings(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """Where new tables go by default, and in which form."""
    role = creator(connection, settings)
    tablespace, method, closed = one(connection, _TABLESPACE, {"role": role})
    name = "database.tablespace"
    if closed:
        hint = f"GRANT CREATE ON TABLESPACE {tablespace} TO {role}, or RESET default_tablespace."
        yield failed(
            name, f"default_tablespace is {tablespace}, without CREATE for {role}", "a usable one", hint
        )
    if method != "heap":
        hint = "The cart's tables need foreign keys and unique indexes: ALTER DATABASE … SET default_table_access_method = heap."
        yield warned(name, f"default_table_access_method is {method}", "heap", hint)


def check_standbys(connection: Connection, _: Database) -> Iterator[CheckResult]:
    """Every commit waits for the synchronous standbys, forever if they are gone."""
    names, commit, connected, may_see = one(connection, _STANDBYS)
    if not names.strip() or commit in {"off", "local"}:
        return
    counted = re.match(r"\s*(?:FIRST|ANY)?\s*(\d+)\s*\(", names, re.IGNORECASE)
    needed = int(counted[1]) if counted else 1
    name, expected = "database.standbys", f"{needed} of synchronous_standby_names = {names}"
    if connected >= needed:
        yield passed(name, f"{connected} synchronous", expected)
    elif not may_see:
        hint = "GRANT pg_read_all_stats to the deployer, which makes pg_stat_replication readable."
        yield unknown(name, "hidden from this role", expected, hint)
    else:
        hint = "Restart the standby, or remove it from synchronous_standby_names: every commit would wait for it."
        yield failed(name, f"{connected} connected", expected, hint)


def connections(needed: Callable[[int], int]) -> Ask:
    """Whether so many connections are free: of the server, of the database, of the role. `needed` is given the bytes of the database."""

    def check(connection: Connection, _: Database) -> Iterator[CheckResult]:
        server, database, role, size = one(connection, _CONNECTIONS)
        required = needed(size)
        free = {"of the server": server, "of the database": database, "of the role": role}
        where, least = min(((w, n) for w, n in free.items() if n is not None), key=lambda pair: pair[1])
        observed, expected = f"{max(least, 0)} free {where}", f"{required} for the run and its dump"
        if least < required:
            hint = (
                "End idle sessions, or raise max_connections or the CONNECTION LIMIT of the database or role."
            )
            yield failed("database.connections", observed, expected, hint)
        else:
            yield passed("database.connections", observed, expected)

    return check


def locks(*, dump: bool) -> Ask:
    """Whether the lock table has room for one transaction that locks every table (a dump), or the cart's objects."""

    def check(connection: Connection, _: Database) -> Iterator[CheckResult]:
        room, tables = one(connection, _LOCKS)
        needed = max(OBJECTS, tables if dump else 0)
        observed, expected = f"room for {room:,} locks", f"{needed:,}"
        if room < needed:
            hint = (
                "Raise max_locks_per_transaction and restart the server: it would run out of shared memory."
            )
            yield failed("database.locks", observed, expected, hint)
        else:
            yield passed("database.locks", observed, expected)

    return check
