"""The ranges of the cart's NUMERIC columns in a database: another application's may be narrower than cartctl's."""

from cartctl.adapters.postgres import Postgres
from cartctl.cart.pricing.column_ranges import ColumnRange
from cartctl.config.model.environment import Database
from cartctl.database.contract.definition import SCHEMA, required_tables
from cartctl.database.migrations.status import act_as_owner_if_allowed
from cartctl.errors import Refused

_QUERY = """
SELECT c.relname, a.attname, (a.atttypmod - 4) >> 16 & 65535, (a.atttypmod - 4) & 2047
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = %s::regnamespace AND c.relname = ANY (%s) AND a.atttypid = 'numeric'::regtype AND a.atttypmod > 0
  AND a.attnum > 0 AND NOT a.attisdropped
"""


def read_column_ranges(postgres: Postgres, settings: Database) -> tuple[ColumnRange, ...]:
    """The NUMERIC columns of the cart's tables with their digits; an unlimited one is absent. Read-only.

    Raises Refused without the tables.
    """
    names = [table.name for table in required_tables()]
    with postgres.session("columns") as connection, act_as_owner_if_allowed(connection, settings):
        if connection.execute("SELECT to_regclass('public.carts')::text").fetchone() == (None,):
            raise Refused("The cart's tables do not exist.", hint="Create them with: cartctl migrate deploy")
        rows = connection.execute(_QUERY.encode(), (SCHEMA, names)).fetchall()
    return tuple(ColumnRange(*row) for row in rows)
