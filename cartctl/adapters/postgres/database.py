"""A database by its address: the target, which uses libpq's defaults, or one on cartctl's own server, which does not."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres.dsn import read_dsn
from cartctl.adapters.postgres.errors import DatabaseUnreachable, translated
from cartctl.adapters.postgres.identity import identity_of, read_identity
from cartctl.adapters.postgres.libpq_environment import complete, with_service, without_libpq
from cartctl.adapters.postgres.settings import Connection, as_options, pinned, settle
from cartctl.deadline import DeadlineExceeded, Lifeline, within
from cartctl.errors import ConfigError, Refused
from cartctl.redaction import register

CONNECT_TIMEOUT = "10"  # seconds, for each address of each host
CONNECT_LIMIT = 60.0  # seconds, for all of them together, including DNS
KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}


class Postgres:
    """A database by its DSN. Opens connections; holds none. libpq resolves what the DSN lacks, as for psql. Raises ConfigError for an invalid DSN, without quoting any of it."""

    def __init__(self, dsn: str, *, role: str | None = None) -> None:
        register(dsn)
        self._parts = read_dsn(dsn)
        self._role = role

    @property
    def dsn(self) -> str:
        """The DSN, as `host=… dbname=…`, password included."""
        return make_conninfo("", **self._parts)

    @property
    def masked(self) -> str:
        """The DSN with its password hidden, for people."""
        shown = {name: "***" if name.endswith("password") else value for name, value in self._parts.items()}
        return make_conninfo("", **shown)

    def acting_as(self, role: str | None) -> Self:
        """The same database for tools that open their own connections, whose sessions begin as `role`."""
        return type(self)(self.dsn, role=role)

    def as_user(self, user: str) -> Self:
        """The same database as another user."""
        return self._with(user=user)

    def certificate_files(self) -> list[Path]:
        """The certificate and key files that the DSN names."""
        parts = read_dsn(self.dsn)
        named = (parts.get(key, "") for key in ("sslrootcert", "sslcert", "sslkey", "sslcrl"))
        return [Path(path).expanduser() for path in named if path not in {"", "system"}]

    def database(self, name: str) -> Self:
        """Another database of the same server."""
        return self._with(dbname=name)

    def _with(self, **parts: str) -> Self:
        return type(self)(make_conninfo("", **{**self._parts, **parts}))

    @cached_property
    def name(self) -> str:
        """The database's name, as the server has it; as libpq asked for it where there is none of this name.

        Raises DatabaseUnreachable where nothing is known.
        """
        try:
            with self.session("name") as connection:
                row = connection.execute("SELECT current_database()").fetchone()
                return str(row[0]) if row else ""
        except DatabaseUnreachable as error:
            if error.database:
                return error.database
            raise

    def for_tools(self, **settings: str) -> tuple[str, dict[str, str]]:
        """The DSN for the argument list of a PostgreSQL tool, and the environment with its password. Connects once.

        The tool's sessions have the settings of ours and `settings`, over those of the user's own options, and the
        encoding of the database. Raises ConfigError for a DSN with a secret that libpq accepts only there.
        """
        if "sslpassword" in self._parts:
            raise ConfigError(
                "A DSN with sslpassword cannot be passed to the PostgreSQL tools without exposing it.",
                hint="Use a key file without a password, readable only by its owner.",
            )
        parts = self._tool_parameters()
        password = parts.pop("password", "")
        environment = self._tool_environment() | {"LC_ALL": "C"}
        with self.session("tools") as connection:
            role = {"role": self._role} if self._role else {}
            options = as_options({**pinned(connection.info.server_version), **settings, **role})
            parts["options"] = f"{connection.info.options} {options}".strip()
            parts["client_encoding"] = connection.info.parameter_status("server_encoding") or "UTF8"
        return make_conninfo("", **parts), environment | ({"PGPASSWORD": password} if password else {})

    def connect(self, purpose: str, *, autocommit: bool = True, **settings: str) -> Connection:
        """A connection in UTC with TCP keepalives, named `cartctl PURPOSE`; `settings` are server parameters.

        Raises DatabaseUnreachable with the server's sentence and the DSN masked, Refused for a connection pooler.
        """
        try:
            name = {"application_name": f"cartctl {purpose}", "client_encoding": "UTF8"}
            parameters = {**self._parameters(), **KEEPALIVES, **name}
            connection = _connect(make_conninfo("", **parameters))
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
            raise DatabaseUnreachable(
                f"The database does not respond: {reason}",
                hint=f"Check database.dsn: {self.masked}",
                database=error.pgconn.db.decode() if error.pgconn else self._parts.get("dbname", ""),
            ) from error
        except DeadlineExceeded as overdue:
            raise DatabaseUnreachable(
                f"The database does not respond: none of its hosts did within {CONNECT_LIMIT:g} s",
                hint=f"Check database.dsn: {self.masked}",
                database=self._parts.get("dbname", ""),
            ) from overdue
        try:
            self._require(connection)
            settle(connection, settings)
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

    def _parameters(self) -> Mapping[str, str]:
        own = {} if "PGCONNECT_TIMEOUT" in os.environ else {"connect_timeout": CONNECT_TIMEOUT}
        return {**own, **with_service(self._parts)}

    def _tool_parameters(self) -> dict[str, str]:
        return with_service(self._parts)

    def _tool_environment(self) -> dict[str, str]:
        return dict(os.environ)

    def _require(self, connection: Connection) -> None:
        """Accept every server."""


def _connect(conninfo: str) -> Connection:
    """A connection within CONNECT_LIMIT. Raises DeadlineExceeded; one that is made after that is closed again."""
    given_up = Event()

    def attempt(_: Lifeline) -> Connection:
        connection = psycopg.connect(conninfo, autocommit=True)
        if given_up.is_set():
            connection.close()
        return connection

    try:
        return within(CONNECT_LIMIT, attempt)
    except BaseException:
        given_up.set()
        raise


class OwnPostgres(Postgres):
    """A database on a server that cartctl started: no part of its address comes from libpq's environment.

    With `data`, its data directory, every connection first verifies that it reached that server.
    """

    def __init__(self, dsn: str, data: Path | None = None, *, role: str | None = None) -> None:
        super().__init__(dsn, role=role)
        self._data = data

    def acting_as(self, role: str | None) -> Self:
        """As the target's."""
        return type(self)(self.dsn, self._data, role=role)

    def _with(self, **parts: str) -> Self:
        return type(self)(make_conninfo("", **{**self._parts, **parts}), self._data)

    def _parameters(self) -> Mapping[str, str]:
        return complete(self._parts)

    def _tool_parameters(self) -> dict[str, str]:
        return {"sslmode": "disable", **self._parts}

    def _tool_environment(self) -> dict[str, str]:
        return without_libpq(os.environ)

    def _require(self, connection: Connection) -> None:
        """Raise Refused for a server with a different system identifier or data directory."""
        if self._data is not None and not read_identity(self._data).same(identity_of(connection)):
            raise Refused(
                f"A server other than cartctl's own in {self._data} responds at its address; nothing was changed there.",
                hint=f"Expected {self.masked}. Stop the other server, or remove that directory, and start again.",
            )
