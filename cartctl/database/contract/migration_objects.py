"""What each migration must have made, by the contract: by whatever tool, and whatever else it did."""

from collections.abc import Iterable
from dataclasses import dataclass

from cartctl.adapters.postgres import Connection
from cartctl.database.catalogue import read_catalogue
from cartctl.database.contract.contract_check import AS_REQUIRED, CatalogueObjects, judge_enum, judge_table
from cartctl.database.contract.definition import SCHEMA, required_enums, required_tables
from cartctl.database.contract.index_check import index_results, serves
from cartctl.engine.model import CheckResult, Verdict
from cartctl.migrations.frozen import Frozen

_QUERY = """
SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY (%(names)s)
UNION ALL SELECT 1 FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname = ANY (%(names)s) LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class MigrationObjects:
    """What exists of a pending migration, and what the contract requires in addition."""

    migration: Frozen
    existing: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that the cart needs of it exists."""
        return not self.faults


def find_objects(connection: Connection, pending: tuple[Frozen, ...]) -> tuple[MigrationObjects, ...]:
    """Each pending migration with what exists of it; nothing exists in the usual case, which one small query shows. Read-only."""
    statements = [each for migration in pending for each in migration.statements(strict=False)]
    own = {each.makes for each in statements}
    names = sorted(own | {each.table for each in statements if each.table})
    if not connection.execute(_QUERY.encode(), {"names": names}).fetchone():
        return tuple(MigrationObjects(each, (), ("nothing exists",)) for each in pending)
    objects = CatalogueObjects(read_catalogue(connection))
    return tuple(
        MigrationObjects(
            each, tuple(existing(objects, each)), tuple(described(required_faults(objects, each)))
        )
        for each in pending
    )


def described(results: Iterable[CheckResult]) -> list[str]:
    """Check results as parts of a sentence."""
    return [f"{each.name} is {each.observed}, expected {each.expected}" for each in results]


def required_faults(objects: CatalogueObjects, migration: Frozen) -> list[CheckResult]:
    """What is missing, or of another shape, of a migration's required objects; empty when it is complete."""
    statements = migration.statements(strict=False)
    made = {each.makes for each in statements}
    results: list[CheckResult] = []
    for table in required_tables():
        others = {f"index {index.name} on {table.name}" for index in table.indexes if index.name not in made}
        if table.name in made:
            results += [each for each in judge_table(objects, table, AS_REQUIRED) if each.name not in others]
        else:
            indexes = objects.indexes_of(f"{SCHEMA}.{table.name}")
            for index in table.indexes:
                if index.name in made:
                    results += index_results(table, index, indexes, own=False)
    results += [
        judge_enum(objects, name, labels, AS_REQUIRED)
        for name, labels in required_enums().items()
        if name in made
    ]
    return [each for each in results if each.verdict is Verdict.FAIL]


def existing(objects: CatalogueObjects, migration: Frozen) -> list[str]:
    """The tables, enums and, of a migration that makes only indexes, the indexes that exist already."""
    statements = migration.statements(strict=False)
    parts = [each for each in statements if each.kind in {"table", "type"}] or statements
    return [
        f"{each.kind} {each.makes}" for each in parts if _exists(objects, each.kind, each.makes, each.table)
    ]


def _exists(objects: CatalogueObjects, kind: str, name: str, table: str | None) -> bool:
    if kind != "index":
        return f"{SCHEMA}.{name}" in (objects.enums if kind == "type" else objects.tables)
    index = next(
        each
        for required in required_tables()
        if required.name == table
        for each in required.indexes
        if each.name == name
    )
    indexes = objects.indexes_of(f"{SCHEMA}.{table}")
    return name in indexes or any(serves(index, facts) for facts in indexes.values())
