"""The state of the whole database as a manifest records it: counts of every table, sequences, objects, transactions."""

from collections.abc import Iterator

from cartctl.adapters.postgres import Connection, sql
from cartctl.snapshots.data_loss.inventory import read_objects, read_sequences
from cartctl.snapshots.data_loss.transactions import MOST_VISIBLE, Window, open_window
from cartctl.snapshots.manifest.recorded_state import Origin, State, Table

JOURNAL_SCHEMA = "cartctl_journal"  # drops and restores do not touch the journal, so dumps do not either

_TABLES = """
SELECT n.nspname, c.relname, EXISTS (
           SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', %s)
UNION ALL SELECT 'pg_catalog', 'pg_largeobject', true WHERE EXISTS (SELECT FROM pg_largeobject_metadata)
ORDER BY 1, 2
"""


def guarded_tables(connection: Connection) -> Iterator[tuple[str, str]]:
    """Schema and name of every table whose rows a restore replaces, extensions' and large objects included. Read-only."""
    for schema, name, _ in connection.execute(_TABLES, (JOURNAL_SCHEMA,)).fetchall():
        yield schema, name


def read_state(connection: Connection) -> tuple[tuple[Table, ...], State]:
    """The tables of a dump, counted exactly, and the state of everything beside them. Each table is read once. Read-only."""
    window, visible = open_window(connection), set[int]()
    tables: dict[bool, list[Table]] = {False: [], True: []}
    for schema, name, other in connection.execute(_TABLES, (JOURNAL_SCHEMA,)).fetchall():
        rows, ages = _count(connection, sql.Identifier(schema, name), window)
        visible |= ages
        tables[other].append(Table(schema_name=schema, name=name, rows=rows))
    extensions = connection.execute("SELECT extname, extversion FROM pg_extension").fetchall()
    return tuple(tables[False]), State(
        origin=_origin(connection, window, visible),
        others=tuple(tables[True]),
        sequences=read_sequences(connection, JOURNAL_SCHEMA),
        objects=read_objects(connection, JOURNAL_SCHEMA),
        extensions=dict(extensions),
    )


def _origin(connection: Connection, window: Window, visible: set[int]) -> Origin:
    system, database = connection.execute(
        """SELECT (SELECT system_identifier::text FROM pg_control_system()),
                  (SELECT oid::bigint FROM pg_database WHERE datname = current_database())"""
    ).fetchone() or ("", 0)
    return Origin(
        system_identifier=system,
        database=database,
        snapshot=window.snapshot,
        visible=None if len(visible) > MOST_VISIBLE else tuple(sorted(visible)),
    )


def _count(connection: Connection, table: sql.Identifier, window: Window) -> tuple[int, set[int]]:
    """Rows, and the transactions of the window that made any of them."""
    ages = window.ages() if window else sql.SQL("NULL::int[]")
    row = connection.execute(sql.SQL("SELECT count(*), {} FROM ONLY {}").format(ages, table)).fetchone()
    return (int(row[0]), {window.base - age for age in row[1] or ()}) if row else (0, set())
