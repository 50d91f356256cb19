"""Existing indexes compared with the contract's, by definition and whatever their name. Pure."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from cartctl.database.catalogue import Facts
from cartctl.database.contract.consequences import without_index
from cartctl.database.contract.definition import RequiredIndex, RequiredTable, plain
from cartctl.engine.model import CheckResult, Verdict

MISSING = "missing"


def index_faults(index: RequiredIndex, facts: Facts) -> list[str]:
    """How an existing index differs from cartctl's own; its name does not matter."""
    predicate = facts.get("predicate")
    same_columns = [plain(each) for each in facts["columns"]] == [plain(each) for each in index.columns]
    same_predicate = _conditions(predicate) == _conditions(index.predicate)
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


def serves(index: RequiredIndex, facts: Facts) -> bool:
    """Whether an existing index does what the cart needs of this one.

    A unique one may have its columns in another order; a plain one may have more columns, or be unique.
    """
    if not index_faults(index, facts):
        return True
    usable = facts["valid"] and facts["ready"] and " USING btree " in facts["definition"]
    if not usable or _conditions(facts.get("predicate")) != _conditions(index.predicate):
        return False
    own, theirs = [plain(each) for each in index.columns], [plain(each) for each in facts["columns"]]
    if index.unique:
        distinct = "NULLS NOT DISTINCT" not in facts["definition"]
        return bool(facts["unique"]) and distinct and sorted(own) == sorted(theirs)
    return theirs[: len(own)] == own


def index_results(
    table: RequiredTable, index: RequiredIndex, indexes: Mapping[str, Facts], *, own: bool
) -> Iterator[CheckResult]:
    """Nothing when an index serves; a failure for what is required, else a finding with its consequence.

    With `own`, cartctl's own definition is required.
    """
    if any(not index_faults(index, facts) if own else serves(index, facts) for facts in indexes.values()):
        return
    where = f" WHERE {index.predicate}" if index.predicate else ""
    definition = f"{'UNIQUE ' if index.unique else ''}({', '.join(index.columns)}){where}, valid and ready"
    named = indexes.get(index.name)
    faults = MISSING if named is None else "; ".join(index_faults(index, named))
    name = f"index {index.name} on {table.name}"
    if own or index.required:
        yield CheckResult(name, Verdict.FAIL, faults, definition)
    else:
        yield CheckResult(name, Verdict.WARN, without_index(table, index, indexes.values()), definition)


@lru_cache(maxsize=1024)  # each index is compared with many
def _conditions(predicate: str | None) -> frozenset[str]:
    """The conditions that a predicate joins with AND, in any order and in either spelling of a boolean."""
    if not predicate:
        return frozenset()
    return frozenset(_condition(part) for part in re.split(r"\bAND\b", predicate))


def _condition(text: str) -> str:
    bare = re.sub(r"\bIS FALSE\b", "= false", text.strip().strip("()"))
    return plain(re.sub(r'^\s*NOT\s+\(?("?\w+"?)\)?$', r"\1 = false", bare))
