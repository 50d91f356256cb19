"""A connection of ours as SQLAlchemy and Alembic use it."""

from typing import TYPE_CHECKING

from cartctl.adapters.postgres import Connection

if TYPE_CHECKING:
    from sqlalchemy import Engine


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
