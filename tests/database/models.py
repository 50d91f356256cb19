"""The contract as the models say it: what `contract.json` is held to, and written anew from."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sqlalchemy import CheckConstraint, Column, Enum, Index, Table
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.elements import TextClause

from cartctl.cart.store.tables import cart_tables
from cartctl.cart.store.tables.base import ENUMS
from cartctl.database.contract.definition import (
    SCHEMA,
    RequiredCheck,
    RequiredColumn,
    RequiredIndex,
    RequiredKey,
    RequiredTable,
)

DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
ACTIONS = {"CASCADE": "c", "SET NULL": "n", "RESTRICT": "r", "NO ACTION": "a"}


def modelled_tables() -> tuple[RequiredTable, ...]:
    """The tables that the models describe, parents first."""
    return tuple(_table(table) for table in cart_tables())


def modelled_enums() -> dict[str, tuple[str, ...]]:
    """The enums that the models describe, with their labels in order."""
    return {labels.__name__: tuple(label.value for label in labels) for labels in ENUMS}


def as_text() -> str:
    """What `contract.json` must hold: one line for each thing, so that a change of the models shows as one."""
    tables = ",\n".join(_table_text(asdict(table)) for table in modelled_tables())
    enums = ",\n".join(f'    "{name}": {json.dumps(labels)}' for name, labels in modelled_enums().items())
    return f'{{\n  "enums": {{\n{enums}\n  }},\n  "tables": [\n{tables}\n  ]\n}}\n'


def _table_text(table: dict[str, Any]) -> str:
    parts = [f'    {{"name": "{table.pop("name")}"']
    for part, each in table.items():
        lines = ",\n".join(f"        {json.dumps(one)}" for one in each)
        parts.append(f'      "{part}": [\n{lines}\n      ]' if each else f'      "{part}": []')
    return ",\n".join(parts) + "}"


def _table(table: Table) -> RequiredTable:
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    return RequiredTable(
        name=table.name,
        columns=tuple(_column(column) for column in table.columns),
        indexes=tuple(_index(index) for index in indexes),
        keys=tuple(sorted(_keys(table), key=lambda key: key.name)),
        checks=tuple(
            RequiredCheck(str(check.name), str(check.sqltext))
            for check in sorted(table.constraints, key=lambda constraint: str(constraint.name))
            if isinstance(check, CheckConstraint)
        ),
    )


def _column(column: Column[Any]) -> RequiredColumn:
    return RequiredColumn(
        name=column.name,
        type=_type(column),
        not_null=not column.nullable,
        default=_default(column),
        own="own" in column.info,
    )


def _type(column: Column[Any]) -> str:
    if isinstance(column.type, Enum):
        return f'{SCHEMA}."{column.type.name}"'
    return column.type.compile(dialect=DIALECT).lower().replace(", ", ",")


def _default(column: Column[Any]) -> str | None:
    given = getattr(column.server_default, "arg", None)
    if isinstance(given, TextClause):
        return given.text
    return None if given is None else f"'{given}'"


def _index(index: Index) -> RequiredIndex:
    where = index.dialect_options["postgresql"]["where"]
    return RequiredIndex(
        name=str(index.name),
        columns=tuple(each.name if isinstance(each, Column) else str(each) for each in index.expressions),
        unique=index.unique,
        predicate=None if where is None else str(where),
        own="own" in index.info,
        strict="strict" in index.info,
    )


def _keys(table: Table) -> Iterator[RequiredKey]:
    for constraint in table.foreign_key_constraints:
        yield RequiredKey(
            name=str(constraint.name),
            column=constraint.column_keys[0],
            references=f"{SCHEMA}.{constraint.referred_table.name}",
            on_delete=ACTIONS[str(constraint.ondelete)],
            on_update=ACTIONS[str(constraint.onupdate)],
        )
