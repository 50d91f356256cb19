"""Which tables a migration's open transaction has locked, of those that existed before it."""

from cartctl.adapters.postgres import Connection
from cartctl.engine.prediction import MODES, TableLock

_NAMES = {f"{mode.title().replace(' ', '')}Lock": mode for mode in MODES}  # as pg_locks names them

# Read over another session, which does not see tables that the transaction has just created.
_HELD = """
SELECT DISTINCT format('%%I.%%I', nspname, relname), mode
FROM pg_catalog.pg_locks JOIN pg_catalog.pg_class ON pg_class.oid = relation
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
WHERE pid = %s AND granted AND locktype = 'relation' AND relkind IN ('r', 'p', 'm', 'f')
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema', 'cartctl') AND mode = ANY (%s)
"""


def locked_tables(aside: Connection, pid: int) -> list[tuple[str, str]]:
    """The locks of the session `pid` that keep an application waiting: qualified table and mode. `aside` is another session. Read-only."""
    rows = aside.execute(_HELD, (pid, list(_NAMES))).fetchall()
    return [(str(table), _NAMES[mode]) for table, mode in rows]


def held(tables: list[tuple[str, str]], seconds: float) -> list[TableLock]:
    """These locks, each held for at most so many seconds."""
    return [TableLock(table, mode, round(seconds, 3)) for table, mode in tables]
