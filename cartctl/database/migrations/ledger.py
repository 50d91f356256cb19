"""Prisma's own record of migrations, `_prisma_migrations`, where the Node application's tool keeps one.

Read with every row per name; exactly our names are added or removed, matched on the row's id; the table is never created or
dropped.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cartctl.adapters.postgres import Connection
from cartctl.errors import Refused
from cartctl.migrations.frozen import MIGRATIONS, NAMES, checksums

COLUMNS = {  # of the table that Prisma makes
    *(
        "id",
        "checksum",
        "finished_at",
        "migration_name",
        "logs",
        "rolled_back_at",
        "started_at",
        "applied_steps_count",
    ),
}
MARK = "cartctl:"  # begins the log of a row that we left


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One attempt at a migration, as Prisma recorded it. Times UTC."""

    id: str
    name: str
    checksum: str
    finished_at: datetime | None
    rolled_back_at: datetime | None
    applied_steps_count: int
    ours: bool = False  # failed under cartctl: one transaction, which was rolled back

    @property
    def applied(self) -> bool:
        """Finished and not marked as rolled back."""
        return self.finished_at is not None and self.rolled_back_at is None

    @property
    def failed(self) -> bool:
        """Begun, not finished, not resolved: Prisma refuses to continue, and so does cartctl."""
        return self.finished_at is None and self.rolled_back_at is None


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows of the table, or the fact that it does not exist."""

    present: bool
    rows: tuple[LedgerRow, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """As `problems_with`, by our own files."""
        return self.problems_with({})

    def problems_with(self, application: Mapping[str, bytes]) -> tuple[str, ...]:
        """Problems to report, one sentence each; a failed row also stops a deployment.

        `application` gives the application's own files by name.
        """
        files = {migration.name: migration.up for migration in MIGRATIONS} | dict(application)
        known = {name: checksums(content) for name, content in files.items()}
        return (
            *(f"{row.name} failed and was not resolved" for row in self.failed),
            *(
                f"{row.name} was applied from a different file (checksum {row.checksum[:12]}…)"
                for row in self.rows
                if row.applied and row.checksum not in known.get(row.name, (row.checksum,))
            ),
        )

    @property
    def failed(self) -> tuple[LedgerRow, ...]:
        """Rows of failed, unresolved migrations of any tool."""
        return tuple(row for row in self.rows if row.failed)

    @property
    def blocking(self) -> tuple[LedgerRow, ...]:
        """Failed rows that a person must resolve: not those that cartctl rolled back."""
        return tuple(row for row in self.failed if not row.ours)

    def ours(self) -> tuple[LedgerRow, ...]:
        """The rows of exactly our three names."""
        return tuple(row for row in self.rows if row.name in NAMES)

    def has(self, name: str) -> bool:
        """Whether a migration is recorded as applied."""
        return any(row.applied for row in self.rows if row.name == name)


def read_ledger(connection: Connection) -> Ledger:
    """The ledger of this database. Read-only. Raises Refused for another relation of that name."""
    relation = connection.execute(
        """SELECT relkind::text, ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid)
           FROM pg_class c WHERE oid = to_regclass('public._prisma_migrations')"""
    ).fetchone()
    if relation is None:
        return Ledger(present=False)
    kind, columns = relation
    if kind != "r" or not set(columns) >= COLUMNS:
        raise Refused(
            "public._prisma_migrations is not the table that Prisma Migrate creates: "
            + (
                "it is not a table."
                if kind != "r"
                else f"it lacks {', '.join(sorted(COLUMNS - set(columns)))}."
            ),
            hint="Find out who created it; if no application uses it, rename it.",
        )
    rows = connection.execute(
        """SELECT id, migration_name, checksum, finished_at, rolled_back_at, applied_steps_count,
                  coalesce(logs LIKE 'cartctl: %', false)
           FROM public._prisma_migrations ORDER BY started_at, migration_name"""
    ).fetchall()
    return Ledger(present=True, rows=tuple(LedgerRow(*row) for row in rows))


def record(connection: Connection, name: str, checksum: str) -> None:
    """Add the row that Prisma would have written for a migration that has just been applied; failed ones of ours are settled."""
    connection.execute(
        """UPDATE public._prisma_migrations SET rolled_back_at = now()
           WHERE migration_name = %s AND finished_at IS NULL AND rolled_back_at IS NULL AND logs LIKE 'cartctl: %%'""",
        (name,),
    )
    connection.execute(
        """INSERT INTO public._prisma_migrations
           (id, checksum, migration_name, logs, rolled_back_at, started_at, finished_at, applied_steps_count)
           VALUES (%s, %s, %s, NULL, NULL, now(), now(), 1)""",
        (str(uuid.uuid4()), checksum, name),
    )


def record_failed(connection: Connection, name: str, checksum: str, reason: str) -> None:
    """Add the row that Prisma would have left for a failed migration that was rolled back."""
    connection.execute(
        """INSERT INTO public._prisma_migrations
           (id, checksum, migration_name, logs, rolled_back_at, started_at, finished_at, applied_steps_count)
           VALUES (%s, %s, %s, %s, NULL, now(), NULL, 0)""",
        (str(uuid.uuid4()), checksum, name, f"{MARK} {reason}"),
    )


def begin(connection: Connection, name: str, checksum: str) -> str:
    """Add the row that Prisma writes before it executes a file; return its id."""
    row = str(uuid.uuid4())
    connection.execute(
        """INSERT INTO public._prisma_migrations
           (id, checksum, migration_name, logs, rolled_back_at, started_at, finished_at, applied_steps_count)
           VALUES (%s, %s, %s, NULL, NULL, now(), NULL, 0)""",
        (row, checksum, name),
    )
    return row


def finish(connection: Connection, row: str) -> None:
    """Mark the row of `begin` as applied."""
    connection.execute(
        "UPDATE public._prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE id = %s",
        (row,),
    )


def applied_at(connection: Connection, name: str) -> datetime | None:
    """When a migration was finished, by the ledger. Read-only."""
    row = connection.execute(
        "SELECT max(finished_at) FROM public._prisma_migrations WHERE migration_name = %s AND rolled_back_at IS NULL",
        (name,),
    ).fetchone()
    return row[0] if row else None


def fail(connection: Connection, row: str, reason: str) -> None:
    """Leave the row of `begin` failed, with the error, as Prisma does."""
    connection.execute("UPDATE public._prisma_migrations SET logs = %s WHERE id = %s", (reason, row))


def forget(connection: Connection, rows: Iterable[LedgerRow]) -> int:
    """Remove exactly these rows, by id and name. Returns how many were removed."""
    pairs = [(row.id, row.name) for row in rows]
    deleted = 0
    for pair in pairs:
        deleted += connection.execute(
            "DELETE FROM public._prisma_migrations WHERE id = %s AND migration_name = %s", pair
        ).rowcount
    return deleted
