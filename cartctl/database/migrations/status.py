"""Which migrations were applied to a database, and by whose record. Read-only."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, translated
from cartctl.config.model.environment import Database
from cartctl.database.migrations.application.files import read_application
from cartctl.database.migrations.ledger import Ledger, LedgerRow, read_ledger
from cartctl.errors import ConfigError
from cartctl.migrations.frozen import MIGRATIONS, Frozen

SET_OPTION = 160000  # server_version_num since which a membership may lack SET ROLE


@dataclass(frozen=True, slots=True)
class Prisma:
    """The ledger of Prisma."""

    present: bool
    rows: tuple[LedgerRow, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """The migration status: names, oldest first; `unknown` are revisions of another origin."""

    kind: ClassVar[str] = "migrations"

    current: str | None
    pending: tuple[str, ...]
    applied: tuple[str, ...]
    prisma: Prisma
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What deploy and drop need to know: Alembic's heads, our record of how each was applied, Prisma's ledger."""

    heads: tuple[str, ...]
    strict: bool  # the strict constraints were made with them
    records: Mapping[str, bool]  # revision → only recorded: another tool created its objects
    ledger: Ledger
    schema: bool  # the schema `cartctl` exists

    @property
    def adopted(self) -> bool:
        """Whether another tool created the tables, so that only the required part of the contract applies."""
        return any(self.records.values())

    @property
    def applied(self) -> tuple[Frozen, ...]:
        """Our migrations up to the head, oldest first."""
        newest = max(self.heads, default="")
        return tuple(migration for migration in MIGRATIONS if migration.revision <= newest)

    @property
    def pending(self) -> tuple[Frozen, ...]:
        """Our migrations after the head, oldest first."""
        return MIGRATIONS[len(self.applied) :]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Heads that are not ours: a newer cartctl's, or another tool's."""
        ours = {migration.revision for migration in MIGRATIONS}
        return tuple(head for head in self.heads if head not in ours)


def read_state(connection: Connection) -> State:
    """The state of a database by its own records. Read-only."""
    row = connection.execute(
        """SELECT to_regnamespace('cartctl') IS NOT NULL, to_regclass('cartctl.alembic_version') IS NOT NULL,
                  to_regclass('cartctl.applied') IS NOT NULL"""
    ).fetchone()
    schema, versioned, recorded = row if row is not None else (False, False, False)
    heads = (
        _rows(connection, "SELECT version_num FROM cartctl.alembic_version ORDER BY 1") if versioned else []
    )
    known = (
        _rows(connection, "SELECT revision, strict, adopted FROM cartctl.applied ORDER BY revision")
        if recorded
        else []
    )
    return State(
        heads=tuple(str(head[0]) for head in heads),
        strict=bool(known) and all(strict for _, strict, _ in known),
        records={str(revision): bool(adopted) for revision, _, adopted in known},
        ledger=read_ledger(connection),
        schema=schema,
    )


def status(postgres: Postgres, settings: Database) -> MigrationStatus:
    """What is applied and what is pending, by cartctl's record, and what Prisma's ledger says. Read-only."""
    with postgres.session("status") as connection, act_as_owner_if_allowed(connection, settings):
        state = read_state(connection)
    known = read_application(settings.migrations, ledger=state.ledger.present)
    applied = tuple(migration.name for migration in state.applied) if not state.unknown else ()
    return MigrationStatus(
        current=applied[-1] if applied else next(iter(state.unknown), None),
        pending=() if state.unknown else tuple(migration.name for migration in state.pending),
        applied=applied,
        prisma=Prisma(state.ledger.present, state.ledger.rows, state.ledger.problems_with(known.files)),
        unknown=state.unknown,
    )


def become_owner(connection: Connection, settings: Database) -> None:
    """Act as the configured owner from here on. Raises ConfigError for a role that does not exist or may not be set."""
    if not settings.owner_role:
        return
    try:
        with translated():
            connection.execute("SELECT set_config('role', %s, false)", (settings.owner_role,))
    except SqlFailed as refused:
        raise ConfigError(
            f"database.owner_role: {refused.message}",
            hint=f"Create the role {settings.owner_role} and GRANT it to the user of database.dsn.",
        ) from refused


@contextmanager
def act_as_owner_if_allowed(connection: Connection, settings: Database) -> Iterator[None]:
    """For reading: as the owner if this session can become it, else as itself, since a read-only role is not a member.

    The connection must be in autocommit. Raises ConfigError for a role that does not exist.
    """
    role = settings.owner_role
    if not role:
        yield
        return
    right = "SET" if connection.info.server_version >= SET_OPTION else "MEMBER"
    row = connection.execute(
        "SELECT pg_has_role(oid, %s), current_setting('role') FROM pg_roles WHERE rolname = %s", (right, role)
    ).fetchone()
    if row is None:
        become_owner(connection, settings)  # it raises, naming the role
    allowed, before = row or (False, "none")
    if allowed:
        become_owner(connection, settings)
    try:
        yield
    finally:
        if allowed and not connection.closed:
            connection.execute("SELECT set_config('role', %s, false)", (before,))


def _rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query.encode()).fetchall()
