"""Several statements in one round trip, on the driver's own connection: the calls of the shop are made of few of them.

A statement is compiled once. Running it through SQLAlchemy costs more processor time than the database needs for it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ClauseElement, Connection, Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

_DIALECT: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]

Rows = list[dict[str, Any]]  # by the names of their columns


class Statement:
    """A compiled statement. Parameters are as the driver takes them: JSON is text, an enum's member its value."""

    __slots__ = ("_constants", "names", "sql")

    def __init__(self, clause: ClauseElement) -> None:
        compiled = clause.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self.names: tuple[str, ...] | None = (
            None  # of the columns, known after the first run: they never change
        )
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def __call__(self, **parameters: Any) -> "Call":
        """The statement with its parameters."""
        return Call(self, {**self._constants, **parameters})


class Call(NamedTuple):
    """A statement to run."""

    statement: Statement
    parameters: Mapping[str, Any]


def run(connection: Connection, *calls: Call) -> list[Rows]:
    """Run statements one after the other, each seeing what was committed before it; gives the rows of each.

    Raises the driver's error of the first that fails; the others have no effect then.
    """
    if not connection.in_transaction():
        connection.begin()  # SQLAlchemy ends only transactions that it knows of
    driver: Any = connection.connection.dbapi_connection
    with driver.pipeline():
        cursors = [driver.execute(call.statement.sql, call.parameters) for call in calls]
    return [_rows(call.statement, cursor) for call, cursor in zip(calls, cursors, strict=True)]


def _rows(statement: Statement, cursor: Any) -> Rows:
    names = statement.names
    if names is None:
        statement.names = names = tuple(column.name for column in cursor.description or ())
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
