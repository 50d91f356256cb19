"""The schema `cartctl` in the target, with Alembic's version and cartctl's record; created before the first migration.

The version is written as Alembic writes it, whose own revisions run the same files; loading Alembic for it would double a
deployment's CPU time.
"""

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, sql
from cartctl.adapters.postgres.sync_wait import OpenSession, bounded_sync_wait
from cartctl.errors import Refused, StepFailed
from cartctl.migrations.frozen import MIGRATIONS, Frozen

APPLIED = b"""
CREATE TABLE IF NOT EXISTS cartctl.applied (
    revision TEXT PRIMARY KEY,
    adopted BOOLEAN NOT NULL,
    strict BOOLEAN NOT NULL,
    run TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL DEFAULT now()
)"""

VERSION = b"""
CREATE TABLE IF NOT EXISTS cartctl.alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""


def set_version(connection: Connection, migration: Frozen) -> None:
    """Record a migration as the current version, in its own transaction.

    Raises StepFailed when the version is not the previous migration's.
    """
    connection.execute(VERSION)
    place = MIGRATIONS.index(migration)
    if place == 0:
        insert = "INSERT INTO cartctl.alembic_version (version_num) SELECT %s WHERE NOT EXISTS (SELECT FROM cartctl.alembic_version)"
        changed = connection.execute(insert, (migration.revision,)).rowcount
    else:
        update = "UPDATE cartctl.alembic_version SET version_num = %s WHERE version_num = %s"
        previous = MIGRATIONS[place - 1].revision
        changed = connection.execute(update, (migration.revision, previous)).rowcount
    if changed != 1:
        raise StepFailed(
            f"The version in cartctl.alembic_version is not the one that precedes {migration.name}; nothing was changed.",
            hint="See: cartctl migrate status",
        )


def make_home(
    connection: Connection, owner: str | None, watch_session: OpenSession, *, missing: bool
) -> None:
    """Create the missing parts of the schema, owned by `owner`.

    `missing`: the schema itself is missing; `watch_session` opens another connection.
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
            hint=f"GRANT CREATE ON DATABASE {name} TO {user}, or create it: CREATE SCHEMA cartctl AUTHORIZATION {user}",
        )
    if owner_may or owner is None:
        connection.execute("CREATE SCHEMA IF NOT EXISTS cartctl")
        return
    connection.execute("RESET ROLE")
    connection.execute(
        sql.SQL("CREATE SCHEMA IF NOT EXISTS cartctl AUTHORIZATION {}").format(sql.Identifier(owner))
    )
    connection.execute("SELECT set_config('role', %s, false)", (owner,))
