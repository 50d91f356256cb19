"""What must hold before any DDL: one migrator at a time, a writable server, and the rights to write."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.config.model.environment import Database
from cartctl.database.migrations.status import become_owner
from cartctl.engine.pulse import Pulse, TimedOut
from cartctl.errors import ConfigError, Locked, Refused

PRISMA_KEY = 72707369  # what Prisma Migrate locks while it migrates
MIGRATOR_WAIT = 15.0  # seconds for another migrator to finish
PLATFORM = ("companies", "customers", "products", "sites")


@contextmanager
def migrating(postgres: Postgres, settings: Database, pulse: Pulse) -> Iterator[Connection]:
    """Hold the lock that migrators share, on a separate connection that also serves for checks meanwhile.

    Raises Locked naming the holder, Refused for a server that cannot be migrated through this connection.
    """
    with postgres.session("migration lock", idle_session_timeout="0", search_path="public") as aside:
        become_owner(aside, settings)
        refuse_unwritable(aside)
        _hold(aside, pulse)
        yield aside


def refuse_unwritable(connection: Connection) -> None:
    """Refuse a standby and a read-only server."""
    row = connection.execute(
        "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'"
    ).fetchone()
    standby, read_only = row if row is not None else (True, True)
    if standby:
        raise Refused(
            "This server is a standby and accepts no changes.", hint="Set database.dsn to the primary."
        )
    if read_only:
        raise Refused(
            "This session is read-only (default_transaction_read_only).",
            hint="Use a server and a role that can write.",
        )


def refuse_without_rights(connection: Connection, settings: Database) -> None:
    """Refuse when the platform's tables, the roles or the rights are missing."""
    for key, role in (("owner_role", settings.owner_role), ("app_role", settings.app_role)):
        if role and not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
            raise ConfigError(
                f"database.{key}: role {role} not found on this server.", hint="Create it first."
            )
    row = connection.execute("SELECT current_user").fetchone()
    user = settings.owner_role or str(row[0] if row else "?")
    rows = connection.execute(
        """SELECT name, to_regclass('public.' || quote_ident(name)) IS NOT NULL,
                  has_any_column_privilege(%s, to_regclass('public.' || quote_ident(name)), 'REFERENCES')
           FROM unnest(%s::text[]) AS name""",
        (user, list(PLATFORM)),
    ).fetchall()
    if missing := [name for name, there, _ in rows if not there]:
        raise Refused(
            f"The platform's tables were not found: {', '.join(missing)} missing in schema public.",
            hint=_where(connection, missing),
        )
    if connection.execute("SELECT has_schema_privilege(%s, 'public', 'CREATE')", (user,)).fetchone() != (
        True,
    ):
        raise Refused(
            f"{user} may not create tables in schema public.", hint=f"GRANT CREATE ON SCHEMA public TO {user}"
        )
    if denied := [name for name, _, granted in rows if not granted]:
        raise Refused(
            f"{user} lacks the right to create foreign keys to {', '.join(denied)}.",
            hint=f"GRANT REFERENCES ON {', '.join(denied)} TO {user}",
        )


def _where(connection: Connection, missing: list[str]) -> str:
    """A hint for tables that are not in public: in which schemas they are, if in any."""
    rows = connection.execute(
        """SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p') ORDER BY 1""",
        (missing,),
    ).fetchall()
    if rows:
        return f"They are in schema {', '.join(row[0] for row in rows)}: cartctl works only in schema public."
    return "Check that database.dsn is the platform's database."


def _hold(connection: Connection, pulse: Pulse) -> None:
    def acquired() -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (PRISMA_KEY,)).fetchone()
        return row == (True,)

    try:
        pulse.wait(acquired, MIGRATOR_WAIT, what="another migration", every=random.uniform(0.1, 0.3))  # noqa: S311 - jitter
    except TimedOut as late:
        raise Locked(
            f"Another migration is running in this database: {_holder(connection)}.",
            hint="Wait for it to end; closing its connection releases the lock.",
        ) from late


def _holder(connection: Connection) -> str:
    row = connection.execute(
        """SELECT format('pid %%s, user %%s, application %%s, for %%s s', a.pid, a.usename,
                         coalesce(nullif(a.application_name, ''), 'unnamed'),
                         round(extract(epoch FROM now() - a.backend_start)))
           FROM pg_locks l JOIN pg_stat_activity a USING (pid)
           WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid, l.objsubid) = (0, %s, 1)
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
        (PRISMA_KEY,),
    ).fetchone()
    return str(row[0]) if row is not None else "it has just ended"
