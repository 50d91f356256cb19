"""Objects that exist before their migration: adopted if they match, refused if they conflict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cartctl.adapters.postgres import Connection, sql
from cartctl.database.catalogue import Catalogue, read_catalogue
from cartctl.database.contract.contract_check import AS_REQUIRED, CatalogueObjects, judge_enum, judge_table
from cartctl.database.contract.definition import (
    SCHEMA,
    RequiredIndex,
    RequiredTable,
    plain,
    required_enums,
    required_tables,
)
from cartctl.database.contract.index_check import MISSING, index_faults
from cartctl.database.contract.key_check import same_target
from cartctl.database.contract.name_conflicts import conflicting_names, names_used
from cartctl.engine.model import CheckResult, Verdict
from cartctl.errors import Refused
from cartctl.migrations.frozen import Frozen, Statement

SHOWN = 5  # differences in an error


@dataclass(frozen=True, slots=True)
class Adoption:
    """The existing and the missing objects of the pending migrations, by revision."""

    kept: tuple[str, ...]
    missing: Mapping[str, tuple[Statement, ...]]
    slow: tuple[
        Statement, ...
    ] = ()  # of those, indexes on tables with rows: not in a migration's transaction

    def script(self, migration: Frozen) -> bytes:
        """The statements of a migration still to execute; empty when all its objects exist."""
        return "\n\n".join(statement.sql for statement in self.missing[migration.revision]).encode()

    @property
    def tables(self) -> bool:
        """Whether any table existed already, with other writers."""
        return any(name.startswith("table ") for name in self.kept)

    def whole(self, migration: Frozen) -> bool:
        """Whether all objects of a migration exist, so that it is only recorded as adopted."""
        return not self.missing[migration.revision]


def find_adoption(connection: Connection, pending: tuple[Frozen, ...], *, strict: bool) -> Adoption | None:
    """None when no object of the pending migrations exists yet: the usual case, checked by one small query.

    Raises Refused, with the difference, for objects of another shape. Read-only.
    """
    statements = [statement for migration in pending for statement in migration.statements(strict=strict)]
    names = [*names_used(statements), *(each.makes for each in statements if each.kind == "type")]
    if not connection.execute(
        """SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%s)
           UNION ALL SELECT 1 FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname = ANY (%s) LIMIT 1""",
        (names, names),
    ).fetchone():
        return None
    catalogue = read_catalogue(connection)
    if conflicts := [*conflicting_names(connection, statements), *_conflicts(catalogue, statements)]:
        raise Refused(
            f"Objects already exist with a different definition: {some_of(conflicts)}. Nothing was changed.",
            hint="Find out who created them, rename or repair them, then deploy again.",
        )
    objects = CatalogueObjects(catalogue)
    adoption = _adopt(objects, pending, strict=strict)
    return replace(adoption, slow=tuple(_slow(connection, objects, adoption)))


def some_of(items: Sequence[str]) -> str:
    """The first few items of a list, and how many more there are."""
    more = f" (and {len(items) - SHOWN} more)" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more


def refuse_slow(adoption: Adoption | None) -> None:
    """Refuse indexes on tables that hold rows: they are not built while a migration holds its locks."""
    if adoption is not None and adoption.slow:
        first = adoption.slow[0]
        raise Refused(
            f"The table {first.table} holds rows but lacks the index {first.makes}. Nothing was changed.",
            hint="Build it first, outside the migration: cartctl migrate index --concurrently",
        )


def _conflicts(catalogue: Catalogue, statements: list[Statement]) -> Iterator[str]:
    objects = CatalogueObjects(catalogue)
    for statement in statements:
        name = f"{SCHEMA}.{statement.makes}"
        if statement.kind == "table" and name in objects.tables:
            yield from map(_describe, _table_conflicts(objects, _table(statement.makes)))
        elif statement.kind == "type" and name in objects.enums:
            result = judge_enum(objects, statement.makes, required_enums()[statement.makes], AS_REQUIRED)
            yield from [_describe(result)] if result.verdict is Verdict.FAIL else []


def _table_conflicts(objects: CatalogueObjects, table: RequiredTable) -> Iterator[CheckResult]:
    """Conflicts that creating missing objects cannot repair: columns, types, and objects of our names with a different definition."""
    for result in judge_table(objects, table, AS_REQUIRED):
        can_be_made = result.observed == MISSING and result.name.startswith(("index ", "foreign key "))
        if result.verdict is Verdict.FAIL and not can_be_made:
            yield result
    name = f"{SCHEMA}.{table.name}"
    indexes, constraints = objects.indexes_of(name), objects.constraints_of(name)
    for index in table.indexes:
        if (
            index.name in indexes
            and not index.required
            and (faults := index_faults(index, indexes[index.name]))
        ):
            yield CheckResult(
                f"index {index.name}", Verdict.FAIL, "; ".join(faults), ", ".join(index.columns)
            )
    for check in table.checks:
        actual = constraints.get(check.name, {}).get("definition")
        if actual and plain(actual) != plain(f"CHECK {check.expression}"):
            yield CheckResult(f"check {check.name}", Verdict.FAIL, actual, check.expression)


def _adopt(objects: CatalogueObjects, pending: tuple[Frozen, ...], *, strict: bool) -> Adoption:
    there: list[str] = []
    missing: dict[str, tuple[Statement, ...]] = {}
    for migration in pending:
        statements = migration.statements(strict=strict)
        there += [f"{each.kind} {each.makes}" for each in statements if _is_there(objects, each)]
        missing[migration.revision] = tuple(each for each in statements if not _is_there(objects, each))
    return Adoption(tuple(there), missing)


def _is_there(objects: CatalogueObjects, statement: Statement) -> bool:
    name = f"{SCHEMA}.{statement.makes}"
    if statement.table is None:
        return name in (objects.enums if statement.kind == "type" else objects.tables)
    table, home = _table(statement.table), f"{SCHEMA}.{statement.table}"
    if statement.kind == "index":
        index = required_index(statement)
        return any(not index_faults(index, facts) for facts in objects.indexes_of(home).values())
    constraints = objects.constraints_of(home)
    key = next((each for each in table.keys if each.name == statement.makes), None)
    return statement.makes in constraints or (
        key is not None and any(same_target(key, facts) for facts in constraints.values())
    )


def _slow(connection: Connection, objects: CatalogueObjects, adoption: Adoption) -> Iterator[Statement]:
    for statement in (each for left in adoption.missing.values() for each in left if each.kind == "index"):
        if f"{SCHEMA}.{statement.table}" in objects.tables and holds_rows(connection, str(statement.table)):
            yield statement


def holds_rows(connection: Connection, table: str) -> bool:
    """Whether a table of schema public has any row. Read-only."""
    name = sql.Identifier(SCHEMA, table)
    return connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(name)).fetchone() is not None


def required_index(statement: Statement) -> RequiredIndex:
    """The contract's index that a statement makes. Pure."""
    return next(each for each in _table(str(statement.table)).indexes if each.name == statement.makes)


def _table(name: str) -> RequiredTable:
    return next(table for table in required_tables() if table.name == name)


def _describe(result: CheckResult) -> str:
    return f"{result.name} is {result.observed}, expected {result.expected}"
