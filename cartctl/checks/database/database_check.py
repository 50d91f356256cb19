"""Checks of a database, executed one by one on one connection; an error in one does not hide the others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cartctl.adapters.postgres import Connection, DatabaseUnreachable, Postgres, translated
from cartctl.checks.isolation import isolated
from cartctl.checks.results import failed, passed
from cartctl.config.model.environment import Database
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused

QUERY_LIMIT = "5s"

Ask: TypeAlias = Callable[[Connection, Database], Iterable[CheckResult]]


@dataclass(frozen=True, slots=True)
class DatabaseCheck:
    """Gives results whose names are `NAME` or begin with it."""

    name: str
    ask: Ask


def run_with_connection_check(
    postgres: Postgres, settings: Database, questions: Sequence[DatabaseCheck], pulse: Pulse
) -> Iterator[CheckResult]:
    """Every question's results, in order. A connection that one of them lost is opened again. Read-only.

    Without a connection nothing is asked: one failure says why. Raises the pulse's alarm.
    """
    try:
        connection = _connect(postgres)
    except DatabaseUnreachable as error:
        yield failed("database.reachable", error.message, "a connection", error.hint)
        return
    except Refused as error:
        yield failed("database.pooler", error.message, "a direct connection", error.hint)
        return
    yield passed("database.reachable", f"as {connection.info.user}")
    yield passed("database.pooler", "connected directly")
    yield from _ask(postgres, connection, settings, questions, pulse)


def run_database_checks(
    postgres: Postgres, settings: Database, questions: Sequence[DatabaseCheck], pulse: Pulse
) -> Iterator[CheckResult]:
    """As `ask_database`, for a check that is not about the connection itself. Raises DatabaseUnreachable, Refused."""
    yield from _ask(postgres, _connect(postgres), settings, questions, pulse)


def _ask(
    postgres: Postgres,
    connection: Connection,
    settings: Database,
    questions: Sequence[DatabaseCheck],
    pulse: Pulse,
) -> Iterator[CheckResult]:
    for question in questions:
        if connection.closed:
            connection = _connect(postgres)
        yield from isolated(question.name, lambda: _results(question, connection, settings), pulse)  # noqa: B023 - consumed at once
    connection.close()


def _connect(postgres: Postgres) -> Connection:
    return postgres.connect("preflight", statement_timeout=QUERY_LIMIT)


def _results(question: DatabaseCheck, connection: Connection, settings: Database) -> list[CheckResult]:
    with translated():
        return list(question.ask(connection, settings))


def creator(connection: Connection, settings: Database) -> str:
    """The role that makes and drops the cart's objects."""
    return settings.owner_role or str(one(connection, "SELECT current_user")[0])


def one(connection: Connection, query: str, parameters: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """The row of a query that always returns one."""
    row = connection.execute(query.encode(), parameters).fetchone()
    return row if row is not None else ()
