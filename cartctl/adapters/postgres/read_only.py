"""Users' queries, in a read-only transaction with a time limit: one statement each, which cannot change anything."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cartctl.adapters.postgres.database import Postgres
from cartctl.adapters.postgres.errors import SqlFailed
from cartctl.adapters.postgres.settings import Connection

MOST = 10_000  # rows of one query that are read
_OTHER_REASONS = {
    "42501",
    "42P08",
    "42P18",
}  # not permitted; a parameter whose type only its value determines


class InvalidQuery(SqlFailed):
    """The server cannot execute the query: its syntax or a name in it is wrong."""

    code = "invalid_query"


class ReadOnlyQueries:
    """Queries on `postgres`, each in at most `timeout` seconds; `cancelling` guards a query, as a pulse's does."""

    def __init__(
        self, postgres: Postgres, timeout: float, cancelling: Callable[[Callable[[], object]], Any]
    ) -> None:
        self._postgres = postgres
        self._limit = f"{max(1, round(timeout * 1000))}ms"
        self._cancelling = cancelling

    def check(self, query: str, names: Mapping[str, Any]) -> None:
        """Have the server plan a query without executing it. Raises InvalidQuery, DatabaseUnreachable or SqlFailed."""
        try:
            with self._transaction() as connection:
                _execute(connection, f"EXPLAIN {query}", dict.fromkeys(names))
        except SqlFailed as error:
            known = error.sqlstate.startswith("42") and error.sqlstate not in _OTHER_REASONS
            if known or not error.sqlstate:
                raise InvalidQuery(error.message, hint=error.hint, sqlstate=error.sqlstate) from error
            if error.sqlstate not in _OTHER_REASONS:
                raise

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """A query's rows. Read-only. Raises SqlFailed, DatabaseUnreachable."""
        with self._transaction() as connection:
            rows = _execute(connection, query, parameters)
        if len(rows) > MOST:
            raise SqlFailed(f"The query returns more than {MOST} rows.", hint="Aggregate or limit them.")
        return rows

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with (
            self._postgres.session(
                "smoke", statement_timeout=self._limit, default_transaction_read_only="on"
            ) as connection,
            self._cancelling(connection.cancel_safe),
        ):
            connection.execute("BEGIN READ ONLY")
            connection.execute("SELECT 1")  # from now on the transaction cannot be made writable
            yield connection
            connection.execute("ROLLBACK")


def _execute(connection: Connection, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Prepared, because the protocol then accepts only a single statement."""
    cursor = connection.execute(query.encode(), parameters or None, prepare=True)
    return cursor.fetchmany(MOST + 1) if cursor.description else []
