"""Usage of the database's connection pool, counted in `pg_stat_activity` on a persistent connection.

Persistent, because a full pool accepts no new connection, and that is when the number is needed.
"""

import time
from collections.abc import Callable

from cartctl.adapters.metrics.source import Metric, Reading
from cartctl.adapters.postgres import Connection, Postgres, translated

_CLIENTS = "usename IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'"

_OF_SERVER = f"""
SELECT count(*),
       (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END) FROM pg_settings
         WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')),
       extract(epoch FROM clock_timestamp())::float8
  FROM pg_stat_activity WHERE {_CLIENTS}
"""  # noqa: S608 - constants
_OF_APPLICATION = f"""
SELECT count(*), NULL, extract(epoch FROM clock_timestamp())::float8 FROM pg_stat_activity
 WHERE {_CLIENTS} AND datname = current_database() AND application_name NOT LIKE 'cartctl %%'
   AND (%(role)s::text IS NULL OR usename = %(role)s)
"""  # noqa: S608 - constants


class ConnectionShare:
    """Connections in use over the pool's size: `limit` times `pods()` where a limit is configured, else what the server allows.

    With a limit, only the application's connections count: those of `role`, or all to this database but cartctl's own.
    """

    def __init__(
        self,
        postgres: Postgres,
        *,
        limit: int | None = None,
        pods: Callable[[], int] = lambda: 1,
        role: str | None = None,
    ) -> None:
        self._postgres = postgres
        self._limit = limit
        self._pods = pods
        self._role = role
        self._connection: Connection | None = None

    def read(self) -> Reading:
        """The share, 0 to 1 (above 1 when more are open than the pool should hold). Read-only. Raises CartctlError."""
        try:
            with translated():
                used, allowed, now = self._count()
        except BaseException:
            self.close()  # the next reading begins with a new connection
            raise
        pool = self._limit * self._pods() if self._limit else int(allowed or 0)
        if pool <= 0:
            return Reading(
                Metric.DB_CONNECTIONS, series=0, error="the pool size is unknown: no replicas are requested"
            )
        return Reading(
            Metric.DB_CONNECTIONS, value=used / pool, at=now, age=0.0, detail=f"{used} of {pool} connections"
        )

    def _count(self) -> tuple[int, int | None, float]:
        if self._connection is None:
            self._connection = self._postgres.connect(
                "monitor", statement_timeout="5s", idle_session_timeout="0"
            )
        statement = _OF_APPLICATION if self._limit else _OF_SERVER
        row = self._connection.execute(statement, {"role": self._role}).fetchone()
        used, allowed, now = row or (0, 0, time.time())
        return int(used), allowed, float(now)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
