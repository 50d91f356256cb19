"""What a cart database must have, read from `contract.json`; a test compares that file with the models.

Required is what the Node application needs, independent of who migrated the database; own is what our migrations create in addition
(the models' OWN and STRICT marks). It is a file because loading the models takes longer than reading a catalogue.
"""

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

SCHEMA = "public"


@dataclass(frozen=True, slots=True)
class RequiredColumn:
    """A column; `type` and `default` as the server would spell them, default without casts."""

    name: str
    type: str
    not_null: bool
    default: str | None
    own: bool


@dataclass(frozen=True, slots=True)
class RequiredIndex:
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
class RequiredKey:
    """A foreign key by its target; actions as `pg_constraint` spells them."""

    name: str
    column: str
    references: str
    on_delete: str
    on_update: str


@dataclass(frozen=True, slots=True)
class RequiredCheck:
    """A CHECK constraint, which only a database with strict constraints has."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class RequiredTable:
    """A table with everything that belongs to it."""

    name: str
    columns: tuple[RequiredColumn, ...]
    indexes: tuple[RequiredIndex, ...]
    keys: tuple[RequiredKey, ...]
    checks: tuple[RequiredCheck, ...]


@cache
def required_tables() -> tuple[RequiredTable, ...]:
    """The 14 tables, parents first."""
    return tuple(_table(table) for table in _contract()["tables"])


@cache
def required_enums() -> dict[str, tuple[str, ...]]:
    """The 7 enums and their labels in order."""
    return {name: tuple(labels) for name, labels in _contract()["enums"].items()}


@lru_cache(maxsize=1024)
def plain(expression: str) -> str:
    """An expression without casts, parentheses, blanks and quoted names, so that ours equals the server's spelling.

    None of ours mixes AND with OR, so parentheses carry no meaning.
    """
    bare = re.sub(r'::[\w."]+(?: varying| without time zone)?(?:\([\d,]+\))?(?:\[\])?', "", expression)
    return re.sub(r'[\s()"]', "", bare)


@cache
def _contract() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(files("cartctl.database").joinpath("contract.json").read_bytes())
    return read


def _table(table: dict[str, Any]) -> RequiredTable:
    return RequiredTable(
        name=table["name"],
        columns=tuple(RequiredColumn(**column) for column in table["columns"]),
        indexes=tuple(
            RequiredIndex(**{**index, "columns": tuple(index["columns"])}) for index in table["indexes"]
        ),
        keys=tuple(RequiredKey(**key) for key in table["keys"]),
        checks=tuple(RequiredCheck(**check) for check in table["checks"]),
    )
