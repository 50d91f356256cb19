"""Check a catalogue against the contract. Pure: no database is read, so that tests can construct broken catalogues.

What breaks the cart's own code is a failure. Everything else that differs from cartctl's own schema is a finding, with its
consequence, and passes; with exact terms it fails.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cartctl.database.catalogue import Catalogue, Facts
from cartctl.database.contract.column_check import column_results
from cartctl.database.contract.definition import (
    SCHEMA,
    RequiredCheck,
    RequiredTable,
    plain,
    required_enums,
    required_tables,
)
from cartctl.database.contract.extra_objects import constraint_results, extra_columns, extra_indexes
from cartctl.database.contract.index_check import MISSING, index_results
from cartctl.database.contract.key_check import key_results
from cartctl.engine.model import CheckResult, Verdict


@dataclass(frozen=True, slots=True)
class Terms:
    """Which part of the contract applies: `own` everything that our migrations create, `strict` also the strict constraints.

    With `exact` any difference from cartctl's own schema fails.
    """

    own: bool
    strict: bool
    exact: bool = False


AS_REQUIRED = Terms(own=False, strict=False)


class CatalogueObjects:
    """The objects of a catalogue by unquoted name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.tables = _unquoted(catalogue.of("table"))
        self.columns = _unquoted(catalogue.of("column"))
        self.enums = _unquoted(catalogue.of("enum"))
        self.indexes = _unquoted(catalogue.of("index"))
        self.constraints = _unquoted(catalogue.of("constraint"))
        self._columns = _by_table(self.columns)
        self._constraints = _by_table(self.constraints)
        self._indexes: dict[str, dict[str, Facts]] = defaultdict(dict)
        for name, facts in self.indexes.items():
            self._indexes[facts["table"].replace('"', "")][name.rpartition(".")[2]] = facts

    def indexes_of(self, table: str) -> Mapping[str, Facts]:
        """The indexes of a table by their own name."""
        return self._indexes.get(table, {})

    def constraints_of(self, table: str) -> Mapping[str, Facts]:
        """The constraints of a table by their own name."""
        return self._constraints.get(table, {})

    def columns_of(self, table: str) -> Mapping[str, Facts]:
        """The columns of a table by their own name."""
        return self._columns.get(table, {})


def judge(catalogue: Catalogue, terms: Terms) -> Iterator[CheckResult]:
    """Check every table and enum: one pass, or one result per deviation."""
    objects = CatalogueObjects(catalogue)
    for table in required_tables():
        yield from judge_table(objects, table, terms)
    for name, labels in required_enums().items():
        yield judge_enum(objects, name, labels, terms)


def judge_enum(objects: CatalogueObjects, name: str, labels: tuple[str, ...], terms: Terms) -> CheckResult:
    """Every label exists; more labels and another order are findings."""
    facts, expected = objects.enums.get(f"{SCHEMA}.{name}"), list(labels)
    if facts is None:
        return CheckResult(f"enum {name}", Verdict.FAIL, MISSING, expected)
    observed = facts.get("labels", [])
    extra = [label for label in observed if label not in labels]
    known = [label for label in observed if label in labels]
    in_order = known == expected
    if set(known) != set(labels) or (terms.own and not in_order) or (terms.exact and extra):
        return CheckResult(f"enum {name}", Verdict.FAIL, observed, expected)
    if extra:
        consequence = f"extra {', '.join(extra)}: cartctl's cart library cannot read rows with these labels"
        return CheckResult(f"enum {name}", Verdict.WARN, consequence, expected)
    if not in_order:
        consequence = f"{', '.join(known)}: sorting by this column gives a different order"
        return CheckResult(f"enum {name}", Verdict.WARN, consequence, expected)
    return CheckResult(f"enum {name}", Verdict.PASS, observed, expected)


def judge_table(objects: CatalogueObjects, table: RequiredTable, terms: Terms) -> Iterator[CheckResult]:
    """A table with its columns, indexes, keys and checks."""
    name = f"{SCHEMA}.{table.name}"
    facts = objects.tables.get(name)
    if facts is None or facts["kind"] not in {"r", "p"}:
        observed = MISSING if facts is None else f"relation of kind {facts['kind']}"
        yield CheckResult(f"table {table.name}", Verdict.FAIL, observed, "a table")
        return
    columns, indexes, constraints = (
        objects.columns_of(name),
        objects.indexes_of(name),
        objects.constraints_of(name),
    )
    deviations = [
        *column_results(table, columns, own=terms.own),
        *_primary_key(table, indexes),
        *_indexes(table, indexes, terms),
        *(result for key in table.keys for result in key_results(table, key, constraints, own=terms.own)),
        *(result for check in table.checks for result in _check(table, check, constraints, terms)),
        *constraint_results(table, indexes, constraints),
        *([_hidden(table)] if facts.get("row_security") else []),
    ]
    extra = [*extra_columns(table, columns), *extra_indexes(table, indexes)]
    if terms.exact:
        deviations = [replace(each, verdict=Verdict.FAIL) for each in deviations]
        deviations += [_extra(table, extra)] if extra else []
    if all(result.verdict is Verdict.WARN for result in deviations):
        summary = f"{len(columns)} columns, {len(indexes)} indexes, {len(constraints)} constraints"
        yield CheckResult(
            f"table {table.name}", Verdict.PASS, summary + (f"; also {', '.join(extra)}" if extra else "")
        )
    yield from deviations


def _extra(table: RequiredTable, extra: list[str]) -> CheckResult:
    return CheckResult(
        f"extra objects of {table.name}", Verdict.FAIL, ", ".join(extra), "cartctl's own schema"
    )


def _hidden(table: RequiredTable) -> CheckResult:
    return CheckResult(
        f"row security {table.name}",
        Verdict.WARN,
        "row-level security is on",
        "off",
        hint="Without a policy, the application sees no rows, and a dump by any role but the owner fails.",
    )


def _primary_key(table: RequiredTable, indexes: Mapping[str, Facts]) -> Iterator[CheckResult]:
    actual: Any = next((facts["columns"] for facts in indexes.values() if facts["primary"]), MISSING)
    if actual != ["id"]:
        yield CheckResult(f"primary key {table.name}", Verdict.FAIL, actual, ["id"])


def _indexes(table: RequiredTable, indexes: Mapping[str, Facts], terms: Terms) -> Iterator[CheckResult]:
    """Each index of the contract; those of the strict constraints only where they apply."""
    for index in table.indexes:
        if not (index.strict and not terms.strict):
            yield from index_results(table, index, indexes, own=terms.own)


def _check(
    table: RequiredTable, check: RequiredCheck, constraints: Mapping[str, Facts], terms: Terms
) -> Iterator[CheckResult]:
    if not terms.strict:
        return
    actual = constraints.get(check.name, {}).get("definition", MISSING)
    if plain(actual) != plain(f"CHECK {check.expression}"):
        yield CheckResult(f"check {check.name} on {table.name}", Verdict.FAIL, actual, check.expression)


def _unquoted(objects: Mapping[str, Facts]) -> dict[str, Facts]:
    return {name.replace('"', ""): facts for name, facts in objects.items()}


def _by_table(objects: Mapping[str, Facts]) -> dict[str, dict[str, Facts]]:
    """Objects named `schema.table.name` by their table, then by their own name."""
    grouped: dict[str, dict[str, Facts]] = defaultdict(dict)
    for full, facts in objects.items():
        schema, table, *name = full.split(".", 2)
        grouped[f"{schema}.{table}"]["".join(name)] = facts
    return grouped
