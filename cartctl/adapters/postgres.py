"""The one place that speaks to PostgreSQL: connections with their settings, and the driver's errors translated."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.json import Jsonb

from cartctl.errors import ConfigError, Refused, StepFailed, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = [
    "Connection",
    "DatabaseUnreachable",
    "Jsonb",
    "Postgres",
    "SqlFailed",
    "engine_over",
    "sql",
    "translated",
]

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

CONNECT_TIMEOUT = 10  # seconds
LONGEST_DETAIL = 400  # characters of a server's DETAIL in a sentence
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


class DatabaseUnreachable(ConfigError):
    """No connection: wrong address, database, user or password, or the server is down."""

    code = "database_unreachable"


class SqlFailed(StepFailed):
    """The server refused a statement. `sqlstate` is its five-letter code, empty when the connection was lost."""

    code = "sql_failed"

    def __init__(self, message: str, *, hint: str = "", sqlstate: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into SqlFailed with the server's first line, its detail and its hint.

    Raises UsageError for an argument that is no text: a command line may hold any bytes, the database's text may not.
    """
    try:
        yield
    except psycopg.Error as error:
        raise SqlFailed(
            _sentence(error), hint=error.diag.message_hint or "", sqlstate=error.sqlstate or ""
        ) from error
    except UnicodeEncodeError as wrong:
        raise UsageError(f"{wrong.object!a} is no text in UTF-8.") from wrong


def _sentence(error: psycopg.Error) -> str:
    """The first line, and in brackets the server's detail, which names keys, rows and dependents; one line, bounded."""
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    detail = " ".join((error.diag.message_detail or "").split())
    if len(detail) > LONGEST_DETAIL:
        detail = f"{detail[: LONGEST_DETAIL - 1]}…"
    return f"{first} ({detail.removesuffix('.')})" if detail else first


class Postgres:
    """A database by its DSN. Opens connections; holds none."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    @property
    def masked(self) -> str:
        """The DSN with its password hidden, for people."""
        try:
            parts = conninfo_to_dict(self.dsn)
        except psycopg.ProgrammingError:
            return "***"
        if any("@" in str(value) for value in parts.values()):
            return "***"  # an address whose password was not escaped has come apart in the wrong places
        if "password" in parts:
            parts["password"] = "***"  # noqa: S105 - the mask
        return make_conninfo("", **parts)

    def acting_as(self, role: str | None) -> "Postgres":
        """The same database for tools that open their own connections, whose sessions begin as `role`."""
        if role is None:
            return self
        given = str(conninfo_to_dict(self.dsn).get("options") or "")
        return Postgres(make_conninfo(self.dsn, options=f"{given} -c role={role}".strip()))

    def as_user(self, user: str) -> "Postgres":
        """The same database as another user."""
        return Postgres(make_conninfo(self.dsn, user=user))

    @property
    def name(self) -> str:
        """The database's name, as libpq would find it. Raises ConfigError for a DSN that cannot be read."""
        try:
            parts = {
                **conninfo_to_dict("", dbname=os.environ.get("PGDATABASE")),
                **conninfo_to_dict(self.dsn),
            }
        except psycopg.ProgrammingError as wrong:
            raise ConfigError("The database's DSN cannot be read.", hint="Check database.dsn.") from wrong
        return str(parts.get("dbname") or parts.get("user") or os.environ.get("PGUSER") or getpass.getuser())

    def database(self, name: str) -> "Postgres":
        """Another database of the same server."""
        return Postgres(make_conninfo(self.dsn, dbname=name))

    def for_tools(self) -> tuple[str, dict[str, str]]:
        """The DSN for the argument list of a PostgreSQL tool, and the environment that carries its password.

        Raises ConfigError for a DSN that cannot be read or holds a secret that libpq takes from nowhere else.
        """
        try:
            parts = conninfo_to_dict(self.dsn)
        except psycopg.ProgrammingError as wrong:
            raise ConfigError("The database's DSN cannot be read.", hint="Check database.dsn.") from wrong
        if parts.pop("sslpassword", None):
            raise ConfigError(
                "A DSN with sslpassword cannot be handed to the PostgreSQL tools without showing it.",
                hint="Use a key file without a password, readable by its owner alone.",
            )
        password = parts.pop("password", None)
        return make_conninfo("", **parts), {} if password is None else {"PGPASSWORD": str(password)}

    def connect(self, purpose: str, *, autocommit: bool = True, **settings: str) -> Connection:
        """A connection in UTC with TCP keepalives, named `cartctl PURPOSE`; `settings` are server parameters.

        Raises DatabaseUnreachable with the server's sentence and the DSN masked, Refused for a connection pooler.
        """
        try:
            options: dict[str, str | int] = {
                "connect_timeout": CONNECT_TIMEOUT,
                "application_name": f"cartctl {purpose}",
                **KEEPALIVES,
            }
            connection = psycopg.connect(make_conninfo(self.dsn, **options), autocommit=True)
        except psycopg.ProgrammingError as error:
            raise ConfigError(
                "The database's DSN cannot be read.",
                hint="Write postgresql://user:password@host/name with %-escapes, or host=… dbname=… user=….",
            ) from error
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
            raise DatabaseUnreachable(
                f"The database does not answer: {reason}",
                hint=f"Looked at {self.masked}. Check database.dsn.",
            ) from error
        try:
            _settle(connection, {"TimeZone": "UTC", **settings})
        except BaseException:
            connection.close()
            raise
        connection.autocommit = autocommit
        return connection

    @contextmanager
    def session(self, purpose: str, *, autocommit: bool = True, **settings: str) -> Iterator[Connection]:
        """A connection for one block: committed at its end unless autocommit, closed always, errors translated."""
        with translated(), self.connect(purpose, autocommit=autocommit, **settings) as connection:
            yield connection


def engine_over(connection: Connection) -> "Engine":
    """A SQLAlchemy engine, for Alembic, whose only connection is this one, which stays the caller's to close."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: connection,
        poolclass=StaticPool,
        use_native_hstore=False,  # it would look for the type first
    )


def _settle(connection: Connection, settings: dict[str, str]) -> None:
    """Set the session's parameters, unless the server that answers is not the one that greeted: a pooler's.

    Its sessions are the application's too: a setting would stay there, and a lock might be anybody's.
    """
    each = sql.SQL("CASE WHEN direct THEN set_config(%s, %s, false) END")
    query = sql.SQL("SELECT direct, {} FROM (SELECT pg_backend_pid() = %s AS direct) AS server").format(
        sql.SQL(", ").join([each] * len(settings))
    )
    given = [part for pair in settings.items() for part in pair]
    row = connection.execute(query, [*given, connection.info.backend_pid]).fetchone()
    if row is None or not row[0]:
        raise Refused(
            "This address is a connection pooler: locks and settings would not hold, or hold for others too.",
            hint="Give the address of the server itself in database.dsn.",
        )


def milliseconds(value: timedelta) -> str:
    """A duration as PostgreSQL's timeouts read it."""
    return f"{round(value.total_seconds() * 1000)}ms"
