"""Existing columns compared with the contract's: type family, nullability, default. Pure."""

import re
from collections.abc import Iterator, Mapping

from cartctl.database.catalogue import Facts
from cartctl.database.contract.definition import RequiredColumn, RequiredTable, plain
from cartctl.database.contract.index_check import MISSING
from cartctl.database.contract.type_families import fits, narrowing
from cartctl.engine.model import CheckResult, Verdict

READ_ONLY = frozenset(
    {"promotions", "tax_rates", "shipping_zones", "shipping_rules"}
)  # the cart inserts no rows
_LABELS = {True: "NOT NULL", False: "nullable"}


def column_results(table: RequiredTable, columns: Mapping[str, Facts], *, own: bool) -> Iterator[CheckResult]:
    """A failure for each column that breaks the cart's code; a finding, with its consequence, for other differences.

    With `own`, cartctl's own columns, types and defaults are required.
    """
    for column in table.columns:
        name, facts = f"column {table.name}.{column.name}", columns.get(column.name)
        if facts is not None:
            yield from _own_column(name, column, facts) if own else _column(name, table, column, facts)
        elif own or not column.own:
            yield CheckResult(name, Verdict.FAIL, MISSING, column.type)
        else:
            observed = (
                f"no column {column.name}: cartctl's cart library cannot use {table.name}; other commands can"
            )
            yield CheckResult(name, Verdict.WARN, observed, column.type)
    if not own:
        yield from _narrower(table, columns)
    yield from _demanding(table, columns)


def _own_column(name: str, column: RequiredColumn, facts: Facts) -> Iterator[CheckResult]:
    if facts["type"] != column.type:
        yield CheckResult(f"{name} type", Verdict.FAIL, facts["type"], column.type)
    if facts["not_null"] != column.not_null:
        observed, expected = _LABELS[facts["not_null"]], _LABELS[column.not_null]
        yield CheckResult(f"{name} nullability", Verdict.FAIL, observed, expected)
    if _default(facts.get("default")) != _default(column.default):
        yield CheckResult(
            f"{name} default", Verdict.FAIL, facts.get("default") or "none", column.default or "none"
        )
    if facts.get("generated"):
        yield _generated(name)


def _column(name: str, table: RequiredTable, column: RequiredColumn, facts: Facts) -> Iterator[CheckResult]:
    if not fits(column.type, facts["type"]):
        yield CheckResult(f"{name} type", Verdict.FAIL, facts["type"], column.type)
    if facts["not_null"] and not column.not_null:
        optional = table.name in READ_ONLY or facts.get("default") is not None
        observed = "NOT NULL: a write of NULL is refused" if optional else "NOT NULL"
        verdict = Verdict.WARN if optional else Verdict.FAIL
        yield CheckResult(f"{name} nullability", verdict, observed, "nullable")
    elif column.not_null and not facts["not_null"]:
        observed = "nullable: a row with NULL here cannot be read"
        yield CheckResult(f"{name} nullability", Verdict.WARN, observed, "NOT NULL")
    if column.default is not None and _default(facts.get("default")) != _default(column.default):
        actual = facts.get("default")
        observed = (
            f"{actual}: a row written without it gets a different value"
            if actual
            else "none: a row must be written with a value"
        )
        yield CheckResult(f"{name} default", Verdict.WARN, observed, column.default)
    if facts.get("generated"):
        yield _generated(name)


def _generated(name: str) -> CheckResult:
    return CheckResult(
        f"{name} generated", Verdict.FAIL, "computed by the server", "written by the application"
    )


def _narrower(table: RequiredTable, columns: Mapping[str, Facts]) -> Iterator[CheckResult]:
    """One finding for all columns of a table that are narrower in the same way."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for column in table.columns:
        facts = columns.get(column.name)
        if facts is not None and fits(column.type, facts["type"]):
            consequence = narrowing(column.type, facts["type"])
            if consequence:
                groups.setdefault((facts["type"], column.type, consequence), []).append(column.name)
    for (actual, expected, consequence), names in groups.items():
        yield CheckResult(
            f"range of {table.name}.{', '.join(names)}", Verdict.WARN, f"{actual}: {consequence}", expected
        )


def _demanding(table: RequiredTable, columns: Mapping[str, Facts]) -> Iterator[CheckResult]:
    """Another tool's columns that every INSERT must set."""
    for name in sorted(columns.keys() - {column.name for column in table.columns}):
        facts = columns[name]
        if facts["not_null"] and not any(facts.get(way) for way in ("default", "generated", "identity")):
            yield CheckResult(
                f"column {table.name}.{name}",
                Verdict.WARN,
                "NOT NULL without a default",
                "no such column, or an optional one",
                hint="Applications that do not know this column cannot write rows.",
            )


def _default(default: str | None) -> str | None:
    """A default in one spelling: of the current time, and of numbers."""
    if default is None:
        return None
    bare = plain(default)
    if re.fullmatch(r"now|CURRENT_TIMESTAMP\d*|LOCALTIMESTAMP\d*|transaction_timestamp", bare):
        return "CURRENT_TIMESTAMP"
    number = re.fullmatch(r"'?(-?\d+)(?:\.0+)?'?", bare)
    return number[1] if number else bare
