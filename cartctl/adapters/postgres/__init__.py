"""The only package that uses the PostgreSQL driver: addresses, connections with their settings, and translated errors."""

from psycopg import sql
from psycopg.types.json import Jsonb

from cartctl.adapters.postgres.database import OwnPostgres, Postgres
from cartctl.adapters.postgres.errors import DatabaseUnreachable, RowsHidden, SqlFailed, translated
from cartctl.adapters.postgres.named_server import NamedServer
from cartctl.adapters.postgres.settings import Connection, as_application, as_text, milliseconds

__all__ = [
    "Connection",
    "DatabaseUnreachable",
    "Jsonb",
    "NamedServer",
    "OwnPostgres",
    "Postgres",
    "RowsHidden",
    "SqlFailed",
    "as_application",
    "as_text",
    "milliseconds",
    "sql",
    "translated",
]
