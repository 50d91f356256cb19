"""Objects on the cart's tables that the contract does not know, and what they mean for the cart. Pure."""

from collections.abc import Iterator, Mapping

from cartctl.database.catalogue import Facts
from cartctl.database.contract.definition import RequiredTable
from cartctl.database.contract.index_check import serves
from cartctl.database.contract.key_check import same_target
from cartctl.database.contract.scale_indexes import SCALE_INDEXES, TABLE
from cartctl.engine.model import CheckResult, Verdict

KINDS = {"c": "CHECK", "x": "exclusion", "u": "UNIQUE", "f": "foreign key", "t": "trigger"}


def extra_columns(table: RequiredTable, columns: Mapping[str, Facts]) -> list[str]:
    """The columns that cartctl neither reads nor writes."""
    return sorted(columns.keys() - {column.name for column in table.columns})


def extra_indexes(table: RequiredTable, indexes: Mapping[str, Facts]) -> list[str]:
    """The names of indexes that replace none of the contract's and are not optional indexes."""
    known = [*table.indexes, *(each.required for each in SCALE_INDEXES if table.name == TABLE)]
    return sorted(
        name
        for name, facts in indexes.items()
        if not facts["primary"] and not any(serves(index, facts) for index in known)
    )


def constraint_results(
    table: RequiredTable, indexes: Mapping[str, Facts], constraints: Mapping[str, Facts]
) -> Iterator[CheckResult]:
    """A finding for each constraint that may refuse a write of the cart."""
    known = {check.name for check in table.checks}
    for name, facts in sorted(constraints.items()):
        if facts["type"] in {"c", "x"} and name not in known:
            yield _finding(table, name, facts, "a row that violates it is refused")
        elif facts["type"] == "f" and not any(same_target(key, facts) for key in table.keys):
            yield _finding(table, name, facts, "a row that refers to a missing row is refused")
    for name in extra_indexes(table, indexes):
        facts = indexes[name]
        if facts["unique"]:
            observed = f"extra unique index ({', '.join(facts['columns'])}): a second row with the same values is refused"
            yield CheckResult(f"index {name} on {table.name}", Verdict.WARN, observed, "no such index")


def _finding(table: RequiredTable, name: str, facts: Facts, consequence: str) -> CheckResult:
    observed = f"extra {facts['definition']}: {consequence}"
    return CheckResult(
        f"{KINDS[facts['type']]} {name} on {table.name}", Verdict.WARN, observed, "no such constraint"
    )
