"""How SQLAlchemy runs here: over connections that the caller opens, raising what the driver raises.

The driver's own errors pass, so that callers translate one kind of error, not two. Transactions are
READ COMMITTED whatever the server's default is: a statement after a lock must see what was committed while it waited.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Engine, ExceptionContext, Select, create_engine, event
from sqlalchemy.pool import NullPool

__all__ = ["Connection", "Engine", "Statement", "aware", "connect", "naive", "over"]

_ISOLATION: Literal["READ COMMITTED"] = "READ COMMITTED"

Statement: TypeAlias = "Select[*tuple[Any, ...]]"  # of whatever columns


def over(connect: Callable[[], Any]) -> Engine:
    """An engine that calls `connect` for a psycopg connection whenever it needs one, and closes it after use."""
    made = create_engine(
        "postgresql+psycopg://", creator=connect, poolclass=NullPool, isolation_level=_ISOLATION
    )
    event.listen(made, "handle_error", _unwrapped)
    return made


def connect(dsn: str, *, pool_size: int = 5) -> Engine:
    """An engine with a pool of `pool_size` connections to a database.

    `dsn` is as for libpq: postgresql://user@host/name, or host=… dbname=…. A connection is tested before it is used
    again, and its time zone is UTC. It connects at the first use.
    """

    def use_dsn(_dialect: Any, _record: Any, positional: list[Any], _named: Any) -> None:
        positional[:] = [dsn]

    made = create_engine(
        "postgresql+psycopg://", pool_size=pool_size, pool_pre_ping=True, isolation_level=_ISOLATION
    )
    event.listen(made, "do_connect", use_dsn)
    event.listen(made, "connect", _in_utc)
    event.listen(made, "handle_error", _unwrapped)
    return made


def _in_utc(connection: Any, _record: Any) -> None:
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _unwrapped(context: ExceptionContext) -> None:
    if isinstance(context.original_exception, Exception):
        raise context.original_exception


def naive(moment: datetime) -> datetime:
    """A time as the columns hold it: UTC without a zone. One without a zone is UTC already."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def aware(moment: datetime | None) -> datetime | None:
    """A column's time with its zone said."""
    return moment if moment is None else moment.replace(tzinfo=UTC)
