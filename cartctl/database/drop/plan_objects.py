"""What a database rollback drops or reverts, one kind of object each. Names are those of the schema public."""

from dataclasses import dataclass
from typing import ClassVar

from cartctl.database.migrations.ledger import LedgerRow


@dataclass(frozen=True, slots=True)
class DropTable:
    """A table to drop, with its rows (exact) and bytes (with indexes)."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DropPart:
    """An index or constraint to drop from a table that stays."""

    kind: str  # index | constraint
    name: str
    table: str


@dataclass(frozen=True, slots=True)
class DropColumn:
    """A column to drop from a table that stays; `values`: rows (exact) in which it is not NULL."""

    table: str
    name: str
    values: int = 0

    def __str__(self) -> str:
        return f"column {self.table}.{self.name}"


@dataclass(frozen=True, slots=True)
class Revert:
    """A change of an object that stays, or another object to drop, undone by one statement."""

    what: str  # column sites.status
    detail: str  # the value after the revert
    statement: str
    table: str = ""  # the table that the statement locks
    scans: bool = False  # whether it reads or indexes every row under that lock


@dataclass(frozen=True, slots=True)
class EnumLabels:
    """Labels of an enum that stays."""

    enum: str
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(f"label {self.enum}.{label}" for label in self.labels)


@dataclass(frozen=True, slots=True)
class RebuiltEnum:
    """An enum to rebuild without the labels that the run added; the tables with its columns are rewritten.

    `blocked`: why that is impossible.
    """

    enum: str
    labels: tuple[str, ...]  # to remove
    remaining: tuple[str, ...]  # in their order
    columns: tuple[str, ...] = ()  # table.column
    bytes: int = 0  # of the tables, with indexes
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DropPlan:
    """What a database rollback drops, and what prevents it. Names are those of the schema public."""

    kind: ClassVar[str] = "drop_plan"
    shown: ClassVar[tuple[str, ...]] = ("rows",)

    database_name: str
    migrations: tuple[str, ...]  # of ours, whose objects the run made: no longer applied
    parts: tuple[DropPart, ...]  # indexes and constraints that the run added to tables which stay
    tables: tuple[DropTable, ...]  # in the order of the drop: referring tables first
    enums: tuple[str, ...]  # after the tables
    kept_enums: tuple[str, ...]  # still used elsewhere, and allowed to stay
    home: bool  # the schema `cartctl` is dropped too: the run created it
    ledger: tuple[LedgerRow, ...]  # exactly our rows of Prisma's ledger
    dependents: tuple[str, ...]  # of others: they stop it
    irreversible: tuple[str, ...]  # of this run's difference: they cannot be reverted and stop the rollback
    warnings: tuple[str, ...]
    older: tuple[str, ...] = ()  # tables that existed before the run: they stay
    later: tuple[str, ...] = ()  # what others added to the tables and enums since: they stop it
    later_migrations: tuple[str, ...] = ()  # of the application, applied after the cart's own
    columns: tuple[DropColumn, ...] = ()  # that the run added to tables which stay
    early: tuple[Revert, ...] = ()  # other objects that the run created, dropped before the tables
    reverts: tuple[Revert, ...] = ()  # of the run's changes outside the cart, after the tables
    labels: tuple[RebuiltEnum, ...] = ()  # enums that stay, rebuilt without the labels that the run added
    kept_labels: tuple[EnumLabels, ...] = ()  # allowed to stay

    @property
    def rows(self) -> int:
        """Rows in all tables together."""
        return sum(table.rows for table in self.tables)

    @property
    def values(self) -> int:
        """Values in all columns of other tables together."""
        return sum(column.values for column in self.columns)

    @property
    def altered(self) -> tuple[str, ...]:
        """Tables that stay and are changed, by name."""
        rewritten = (column.partition(".")[0] for each in self.labels for column in each.columns)
        parts = (*(each.table for each in self.parts), *(each.table for each in self.columns))
        reverts = (each.table for each in (*self.early, *self.reverts) if each.table)
        return tuple(sorted({*parts, *reverts, *rewritten} - {table.name for table in self.tables}))

    @property
    def drops(self) -> bool:
        """Whether any object is dropped or changed, beside cartctl's own records."""
        return any((self.tables, self.enums, self.parts, self.columns, self.early, self.reverts, self.labels))

    @property
    def empty(self) -> bool:
        """Whether nothing is left to drop."""
        return not (self.drops or self.home or self.ledger)
