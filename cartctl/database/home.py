"""The schema `cartctl` in the target: Alembic's version and our own record live there; made before Alembic runs."""

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, sql
from cartctl.adapters.postgres.sync_wait import Look, bounded_sync_wait
from cartctl.errors import Refused

APPLIED = b"""
CREATE TABLE IF NOT EXISTS cartctl.applied (
    revision TEXT PRIMARY KEY,
    adopted BOOLEAN NOT NULL,
    strict BOOLEAN NOT NULL,
    run TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now()
)"""


def make_home(connection: Connection, owner: str | None, watch_session: Look, *, missing: bool) -> None:
    """Make what is missing of it, owned by `owner`; `missing` says that the schema itself is; `watch_session` opens another connection.

    Raises Refused when neither the owner nor the deployer may create a schema.
    """
    with (
        bounded_sync_wait(watch_session, connection),
        effect("postgres.migrate.schema"),
        connection.transaction(),
    ):
        if missing:
            _make_schema(connection, owner)
        connection.execute(APPLIED)


def _make_schema(connection: Connection, owner: str | None) -> None:
    """Created as the owner, or by the deployer on its behalf."""
    row = connection.execute(
        """SELECT has_database_privilege(current_user, current_database(), 'CREATE'),
                  has_database_privilege(session_user, current_database(), 'CREATE'), current_database(), current_user"""
    ).fetchone()
    owner_may, deployer_may, name, user = row if row is not None else (False, False, "", "")
    if not (owner_may or deployer_may):
        raise Refused(
            f"{user} may not create the schema cartctl in database {name}.",
            hint=f"GRANT CREATE ON DATABASE {name} TO {user}, or make it: CREATE SCHEMA cartctl AUTHORIZATION {user}",
        )
    if owner_may or owner is None:
        connection.execute("CREATE SCHEMA IF NOT EXISTS cartctl")
        return
    connection.execute("RESET ROLE")
    connection.execute(
        sql.SQL("CREATE SCHEMA IF NOT EXISTS cartctl AUTHORIZATION {}").format(sql.Identifier(owner))
    )
    connection.execute("SELECT set_config('role', %s, false)", (owner,))
