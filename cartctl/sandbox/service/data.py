"""The service's database access: a small pool that reconnects, and no cached state that a schema change would break."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.rows import DictRow, TupleRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from cartctl.adapters.postgres.dsn import read_dsn
from cartctl.adapters.postgres.libpq_environment import complete
from cartctl.sandbox.service.figures import QUERY_SECONDS

if TYPE_CHECKING:
    from cartctl.cart.store.sql_engine import Connection, Engine

WAIT = 2.0  # seconds a request waits for a connection
GLANCE = 0.25  # seconds the health check waits for one
KNOWN_FOR = 1.0  # seconds for which the last use decides the health check

Unavailable = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Data:
    """Runs queries. No prepared statements: tables are created and dropped under a running replica.

    The platform's own routes speak SQL; the cart's go through the library's repositories, over the same pool.
    """

    def __init__(self, dsn: str, pod: str) -> None:
        self._pool: ConnectionPool[psycopg.Connection[TupleRow]] = ConnectionPool(
            kwargs={
                **complete(read_dsn(dsn)),
                "prepare_threshold": None,
                "application_name": pod,
                "options": "-c TimeZone=UTC",
                "connect_timeout": 2,
            },
            min_size=1,
            max_size=5,
            timeout=WAIT,
            reconnect_timeout=2.0,
            check=ConnectionPool.check_connection,
            close_returns=True,  # the repositories close the connections they were given
            open=False,
        )
        self._up: bool | None = None
        self._known_at = 0.0

    def open(self) -> None:
        """Start connecting, without waiting for it: readiness does not depend on the database."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=1.0)

    def rows(self, query: LiteralString, values: Mapping[str, Any] | None = None) -> list[DictRow]:
        """Every row of a query, as dicts. Raises one of `Unavailable` without a connection."""
        with self.transaction() as connection:
            return connection.cursor(row_factory=dict_row).execute(query, values or {}).fetchall()

    @contextmanager
    def transaction(self, wait: float = WAIT) -> Iterator[psycopg.Connection[TupleRow]]:
        """A connection for one transaction, timed."""
        with self._experience(), self._pool.connection(timeout=wait) as connection:
            started = time.monotonic()
            yield connection
            QUERY_SECONDS.observe(time.monotonic() - started)

    @contextmanager
    def session(self) -> "Iterator[Connection]":
        """A connection for one transaction of the repositories, timed."""
        with self._experience(), self.engine.begin() as connection:
            started = time.monotonic()
            yield connection
            QUERY_SECONDS.observe(time.monotonic() - started)

    @cached_property
    def engine(self) -> "Engine":
        """The pool as an engine of the cart library."""
        from cartctl.cart.store.sql_engine import over

        return over(self._pool.getconn)

    @contextmanager
    def _experience(self) -> Iterator[None]:
        """Record whether the database responded."""
        try:
            yield
        except Unavailable:
            self._learnt(up=False)
            raise
        self._learnt(up=True)

    def up(self) -> bool:
        """Whether the database responds, from the last use or a short query."""
        if time.monotonic() - self._known_at > KNOWN_FOR or self._up is None:
            try:
                with self.transaction(GLANCE) as connection:
                    connection.execute("SELECT 1")
            except Unavailable:
                return False
        return bool(self._up)

    def _learnt(self, *, up: bool) -> None:
        self._up, self._known_at = up, time.monotonic()
