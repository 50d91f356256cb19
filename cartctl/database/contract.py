"""What a cart database must have, derived from the models: the one place where it is written down.

Required is what the Node application needs, whoever migrated the database; own is what our migrations make beside it
(the models' OWN and STRICT marks).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import CheckConstraint, Column, Enum, Index, Table
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import TextClause

from cartctl.schema.base import ENUMS
from cartctl.schema.tables import cart_tables

SCHEMA = "public"
_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
ACTIONS = {"CASCADE": "c", "SET NULL": "n", "RESTRICT": "r", "NO ACTION": "a"}


@dataclass(frozen=True, slots=True)
class WantedColumn:
    """A column; `type` and `default` as the server would spell them, casts left out of the default."""

    name: str
    type: str
    not_null: bool
    default: str | None
    own: bool


@dataclass(frozen=True, slots=True)
class WantedIndex:
    """An index; `columns` are names or expressions, `predicate` as the models spell it."""

    name: str
    columns: tuple[str, ...]
    unique: bool
    predicate: str | None
    own: bool
    strict: bool

    @property
    def required(self) -> bool:
        """Whether any database must have it: the uniques and the partial indexes."""
        return not self.own and (self.unique or self.predicate is not None)


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A foreign key by its target; actions as `pg_constraint` spells them."""

    name: str
    column: str
    references: str
    on_delete: str
    on_update: str


@dataclass(frozen=True, slots=True)
class WantedCheck:
    """A CHECK constraint, which only a database with strict constraints has."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class WantedTable:
    """A table with everything that belongs to it."""

    name: str
    columns: tuple[WantedColumn, ...]
    indexes: tuple[WantedIndex, ...]
    keys: tuple[WantedKey, ...]
    checks: tuple[WantedCheck, ...]


@cache
def wanted_tables() -> tuple[WantedTable, ...]:
    """The 14 tables, parents first."""
    return tuple(_table(table) for table in cart_tables())


@cache
def wanted_enums() -> dict[str, tuple[str, ...]]:
    """The 7 enums and their labels in order."""
    return {labels.__name__: tuple(label.value for label in labels) for labels in ENUMS}


def plain(expression: str) -> str:
    """An expression without casts, parentheses, blanks and quoted names, so that ours equals the server's spelling.

    None of ours mixes AND with OR, so parentheses carry no meaning.
    """
    bare = re.sub(r'::[\w."]+(?: without time zone)?(?:\([\d,]+\))?(?:\[\])?', "", expression)
    return re.sub(r'[\s()"]', "", bare)


def _table(table: Table) -> WantedTable:
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    return WantedTable(
        name=table.name,
        columns=tuple(_column(column) for column in table.columns),
        indexes=tuple(_index(index) for index in indexes),
        keys=tuple(sorted(_keys(table), key=lambda key: key.name)),
        checks=tuple(
            WantedCheck(str(check.name), str(check.sqltext))
            for check in sorted(table.constraints, key=lambda constraint: str(constraint.name))
            if isinstance(check, CheckConstraint)
        ),
    )


def _column(column: Column[Any]) -> WantedColumn:
    return WantedColumn(
        name=column.name,
        type=_type(column),
        not_null=not column.nullable,
        default=_default(column),
        own="own" in column.info,
    )


def _type(column: Column[Any]) -> str:
    if isinstance(column.type, Enum):
        return f'{SCHEMA}."{column.type.name}"'
    return column.type.compile(dialect=_DIALECT).lower().replace(", ", ",")


def _default(column: Column[Any]) -> str | None:
    given = getattr(column.server_default, "arg", None)
    if isinstance(given, TextClause):
        return given.text
    return None if given is None else f"'{given}'"


def _index(index: Index) -> WantedIndex:
    where = index.dialect_options["postgresql"]["where"]
    return WantedIndex(
        name=str(index.name),
        columns=tuple(each.name if isinstance(each, Column) else str(each) for each in index.expressions),
        unique=index.unique,
        predicate=None if where is None else str(where),
        own="own" in index.info,
        strict="strict" in index.info,
    )


def _keys(table: Table) -> Iterator[WantedKey]:
    for constraint in table.foreign_key_constraints:
        yield WantedKey(
            name=str(constraint.name),
            column=constraint.column_keys[0],
            references=f"{SCHEMA}.{constraint.referred_table.name}",
            on_delete=ACTIONS[str(constraint.ondelete)],
            on_update=ACTIONS[str(constraint.onupdate)],
        )
