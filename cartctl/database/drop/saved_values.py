"""Values of columns dropped from tables that stay: one CSV file per table, with the key that identifies each row."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from cartctl.adapters.postgres import Connection, sql
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.plan_objects import DropColumn
from cartctl.private_files import open_private

_KEY = """
SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
JOIN pg_class c ON c.oid = i.indrelid
WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace AND c.relname = %s ORDER BY k.place
"""


@dataclass(frozen=True, slots=True)
class SavedValues:
    """The file of a table's values: its header has the key's columns and then `columns`; `rows` that have any value."""

    table: str
    columns: tuple[str, ...]
    rows: int
    file: str
    sha256: str


def count_values(connection: Connection, column: DropColumn) -> int:
    """Rows in which a column is not NULL. Read-only."""
    query = sql.SQL("SELECT count({}) FROM {}").format(
        sql.Identifier(column.name), sql.Identifier(SCHEMA, column.table)
    )
    row: tuple[Any, ...] | None = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def save_values(connection: Connection, columns: Iterable[DropColumn], directory: Path) -> list[SavedValues]:
    """Write what `connection`'s transaction sees of these columns into new files of `directory`.

    The transaction must hold locks that keep writers out. A table without a primary key is saved with all its columns.
    """
    tables = groupby(sorted(columns, key=lambda each: each.table), key=lambda each: each.table)
    return [
        _save(connection, table, [each.name for each in group], directory / f"values-{number}.csv")
        for number, (table, group) in enumerate(tables, 1)
    ]


def _save(connection: Connection, table: str, names: list[str], file: Path) -> SavedValues:
    key = [str(row[0]) for row in connection.execute(_KEY.encode(), (table,)).fetchall()]
    chosen = sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys([*key, *names]))) if key else sql.SQL("*")
    any_value = sql.SQL(" OR ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(each)) for each in names)
    query = sql.SQL(
        "COPY (SELECT {} FROM {} WHERE {}) TO STDOUT WITH (FORMAT csv, HEADER, ENCODING 'UTF8')"
    ).format(chosen, sql.Identifier(SCHEMA, table), any_value)
    digest = hashlib.sha256()
    descriptor = open_private(file, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(descriptor, "wb") as stream, connection.cursor() as cursor:
        with cursor.copy(query) as copy:
            for block in copy:
                digest.update(block)
                stream.write(block)
        stream.flush()
        os.fsync(descriptor)  # the values must be on disk before the columns are dropped
        rows = cursor.rowcount
    return SavedValues(table, tuple(names), rows, file.name, digest.hexdigest())
