"""Check a catalogue against the contract. Pure: no database is read, so that tests can construct broken catalogues.

A missing object is a failure; objects beyond the contract are reported and pass.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cartctl.database.catalogue import Catalogue, Facts
from cartctl.database.contract.definition import (
    SCHEMA,
    WantedCheck,
    WantedColumn,
    WantedIndex,
    WantedKey,
    WantedTable,
    plain,
    wanted_enums,
    wanted_tables,
)
from cartctl.engine.model import CheckResult, Verdict

MISSING = "missing"
FAMILIES = {
    "text": re.compile(r"text|character varying(\(\d+\))?"),
    "text[]": re.compile(r"(text|character varying(\(\d+\))?)\[\]"),
    "timestamp(3) without time zone": re.compile(r"timestamp(\([3-6]\))? without time zone"),
}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class Terms:
    """Which part of the contract applies: `own` everything that our migrations create, `strict` also the strict constraints."""

    own: bool
    strict: bool


class CatalogueObjects:
    """The objects of a catalogue by unquoted name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.tables = _unquoted(catalogue.of("table"))
        self.columns = _unquoted(catalogue.of("column"))
        self.enums = _unquoted(catalogue.of("enum"))
        self.indexes = _unquoted(catalogue.of("index"))
        self.constraints = _unquoted(catalogue.of("constraint"))

    def indexes_of(self, table: str) -> dict[str, Facts]:
        """The indexes of a table by their own name."""
        return {
            name.rpartition(".")[2]: facts
            for name, facts in self.indexes.items()
            if facts["table"].replace('"', "") == table
        }

    def constraints_of(self, table: str) -> dict[str, Facts]:
        """The constraints of a table by their own name."""
        start = f"{table}."
        return {
            name[len(start) :]: facts for name, facts in self.constraints.items() if name.startswith(start)
        }

    def columns_of(self, table: str) -> dict[str, Facts]:
        """The columns of a table by their own name."""
        start = f"{table}."
        return {name[len(start) :]: facts for name, facts in self.columns.items() if name.startswith(start)}


def judge(catalogue: Catalogue, terms: Terms) -> Iterator[CheckResult]:
    """Check every table and enum: one pass, or one failure per deviation."""
    objects = CatalogueObjects(catalogue)
    for table in wanted_tables():
        yield from judge_table(objects, table, terms)
    for name, labels in wanted_enums().items():
        yield judge_enum(objects, name, labels)


def judge_enum(objects: CatalogueObjects, name: str, labels: tuple[str, ...]) -> CheckResult:
    """The labels, exactly these in this order."""
    facts = objects.enums.get(f"{SCHEMA}.{name}")
    observed = MISSING if facts is None else facts.get("labels", [])
    verdict = Verdict.PASS if observed == list(labels) else Verdict.FAIL
    return CheckResult(f"enum {name}", verdict, observed=observed, expected=list(labels))


def judge_table(objects: CatalogueObjects, table: WantedTable, terms: Terms) -> Iterator[CheckResult]:
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
    bad = [
        *_columns(table, columns, terms),
        *_primary_key(table, indexes),
        *(result for index in table.indexes for result in _index(table, index, indexes, terms)),
        *(result for key in table.keys for result in _key(table, key, constraints)),
        *(result for check in table.checks for result in _check(table, check, constraints, terms)),
    ]
    if facts.get("row_security"):
        bad.append(_hidden(table))
    if all(result.verdict is Verdict.WARN for result in bad):
        summary = f"{len(columns)} columns, {len(indexes)} indexes, {len(constraints)} constraints"
        more = sorted(columns.keys() - {column.name for column in table.columns})
        more += sorted(indexes.keys() - {index.name for index in table.indexes} - {f"{table.name}_pkey"})
        yield CheckResult(
            f"table {table.name}", Verdict.PASS, summary + (f"; also {', '.join(more)}" if more else "")
        )
    yield from bad


def _hidden(table: WantedTable) -> CheckResult:
    return CheckResult(
        f"row security {table.name}",
        Verdict.WARN,
        "row-level security is on",
        "off",
        hint="Without a policy for it the application sees no row, and a dump by another role than the owner fails.",
    )


def _columns(table: WantedTable, columns: Mapping[str, Facts], terms: Terms) -> Iterator[CheckResult]:
    for column in table.columns:
        facts = columns.get(column.name)
        if facts is None and (terms.own or not column.own):
            yield CheckResult(f"column {table.name}.{column.name}", Verdict.FAIL, MISSING, column.type)
        elif facts is not None:
            yield from _column(f"column {table.name}.{column.name}", column, facts, terms)
    for name in sorted(columns.keys() - {column.name for column in table.columns}):
        facts = columns[name]
        if facts["not_null"] and not any(facts.get(way) for way in ("default", "generated", "identity")):
            yield CheckResult(
                f"column {table.name}.{name}",
                Verdict.WARN,
                "NOT NULL without a default",
                "no such column, or one that is optional",
                hint="Writers that do not know this column are refused.",
            )


def _column(name: str, column: WantedColumn, facts: Facts, terms: Terms) -> Iterator[CheckResult]:
    actual = facts["type"]
    if not (actual == column.type if terms.own else fits(column.type, actual)):
        yield CheckResult(f"{name} type", Verdict.FAIL, actual, column.type)
    if facts["not_null"] != column.not_null:
        labels = {True: "NOT NULL", False: "nullable"}
        yield CheckResult(
            f"{name} nullability", Verdict.FAIL, labels[facts["not_null"]], labels[column.not_null]
        )
    default = facts.get("default")
    if (plain(default) if default else None) != (plain(column.default) if column.default else None):
        verdict = Verdict.FAIL if terms.own else Verdict.WARN
        yield CheckResult(f"{name} default", verdict, default or "none", column.default or "none")
    if facts.get("generated"):
        yield CheckResult(
            f"{name} generated", Verdict.FAIL, "computed by the server", "written by the application"
        )


def fits(required: str, actual: str) -> bool:
    """Whether a type of another tool's choosing holds what ours holds: the same family, no narrower.

    TEXT may be VARCHAR of any length, TIMESTAMP(3) any finer one without a zone, NUMERIC any that keeps our digits on
    both sides of the point. Everything else is exact.
    """
    if numeric := _NUMERIC.fullmatch(required):
        return actual == "numeric" or _holds(numeric, _NUMERIC.fullmatch(actual))
    family = FAMILIES.get(required)
    return family.fullmatch(actual) is not None if family else actual == required


def _holds(required: re.Match[str], actual: re.Match[str] | None) -> bool:
    if actual is None:
        return False
    (digits, scale), (room, fine) = (map(int, required.groups()), map(int, actual.groups()))
    return fine >= scale and room - fine >= digits - scale


def _primary_key(table: WantedTable, indexes: Mapping[str, Facts]) -> Iterator[CheckResult]:
    actual: Any = next((facts["columns"] for facts in indexes.values() if facts["primary"]), MISSING)
    if actual != ["id"]:
        yield CheckResult(f"primary key {table.name}", Verdict.FAIL, actual, ["id"])


def _index(
    table: WantedTable, index: WantedIndex, indexes: Mapping[str, Facts], terms: Terms
) -> Iterator[CheckResult]:
    if (index.strict and not terms.strict) or (index.own and not terms.own):
        return
    named = indexes.get(index.name)
    likeliest_first = (each for each in (named, *indexes.values()) if each is not None)
    facts = next((each for each in likeliest_first if not index_faults(index, each)), named)
    faults = MISSING if facts is None else "; ".join(index_faults(index, facts))
    if faults:
        verdict = Verdict.FAIL if terms.own or index.required else Verdict.WARN
        where = f" WHERE {index.predicate}" if index.predicate else ""
        required = f"{'UNIQUE ' if index.unique else ''}({', '.join(index.columns)}){where}, valid and ready"
        yield CheckResult(f"index {index.name} on {table.name}", verdict, faults, required)


def index_faults(index: WantedIndex, facts: Facts) -> list[str]:
    """How an existing index differs from the required one; its name does not matter."""
    predicate = facts.get("predicate")
    same_columns = [plain(each) for each in facts["columns"]] == [plain(each) for each in index.columns]
    same_predicate = plain(predicate or "") == plain(index.predicate or "")
    faults = {
        "INVALID": not facts["valid"],
        "not ready": not facts["ready"],
        f"columns {', '.join(facts['columns'])}": not same_columns,
        f"WHERE {predicate}" if predicate else "no predicate": not same_predicate,
        "UNIQUE" if facts["unique"] else "not UNIQUE": facts["unique"] != index.unique,
        "NULLS NOT DISTINCT": index.unique and "NULLS NOT DISTINCT" in facts["definition"],
        "not a btree": " USING btree " not in facts["definition"],
    }
    return [fault for fault, so in faults.items() if so]


def _key(table: WantedTable, key: WantedKey, constraints: Mapping[str, Facts]) -> Iterator[CheckResult]:
    name = f"foreign key {table.name}.{key.column}"
    facts = next((each for each in constraints.values() if same_target(key, each)), None)
    if facts is None:
        yield CheckResult(name, Verdict.FAIL, MISSING, f"→ {key.references} (id)")
    elif not facts["validated"]:
        yield CheckResult(name, Verdict.FAIL, "NOT VALID", "validated")
    elif (facts.get("on_delete"), facts.get("on_update")) != (key.on_delete, key.on_update):
        required = f"ON DELETE {_action(key.on_delete)}, ON UPDATE {_action(key.on_update)}"
        actual = f"ON DELETE {_action(facts.get('on_delete'))}, ON UPDATE {_action(facts.get('on_update'))}"
        yield CheckResult(name, Verdict.WARN, actual, required)


def same_target(key: WantedKey, facts: Facts) -> bool:
    """Whether a constraint is this foreign key, whatever its name and actions."""
    target = (facts.get("references"), facts.get("columns"), facts.get("referenced"))
    return facts["type"] == "f" and target == (key.references, [key.column], ["id"])


def _action(code: str | None) -> str:
    return {"c": "CASCADE", "n": "SET NULL", "r": "RESTRICT", "a": "NO ACTION", "d": "SET DEFAULT"}[
        code or "a"
    ]


def _check(
    table: WantedTable, check: WantedCheck, constraints: Mapping[str, Facts], terms: Terms
) -> Iterator[CheckResult]:
    if not terms.strict:
        return
    actual = constraints.get(check.name, {}).get("definition", MISSING)
    if plain(actual) != plain(f"CHECK {check.expression}"):
        yield CheckResult(f"check {check.name} on {table.name}", Verdict.FAIL, actual, check.expression)


def _unquoted(objects: Mapping[str, Facts]) -> dict[str, Facts]:
    return {name.replace('"', ""): facts for name, facts in objects.items()}
