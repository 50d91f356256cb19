"""Existing foreign keys compared with the contract's, by target and whatever their name. Pure."""

from collections.abc import Iterator, Mapping

from cartctl.database.catalogue import Facts
from cartctl.database.contract.consequences import action, other_actions, without_key
from cartctl.database.contract.definition import RequiredKey, RequiredTable
from cartctl.database.contract.index_check import MISSING
from cartctl.engine.model import CheckResult, Verdict


def key_results(
    table: RequiredTable, key: RequiredKey, constraints: Mapping[str, Facts], *, own: bool
) -> Iterator[CheckResult]:
    """Nothing when the foreign key is there with its actions; else a finding with its consequence.

    With `own`, a missing or unvalidated key is a failure.
    """
    name = f"foreign key {table.name}.{key.column}"
    expected = (
        f"→ {key.references} (id), ON DELETE {action(key.on_delete)}, ON UPDATE {action(key.on_update)}"
    )
    facts = next((each for each in constraints.values() if same_target(key, each)), None)
    verdict = Verdict.FAIL if own else Verdict.WARN
    if facts is None:
        yield CheckResult(name, verdict, MISSING if own else without_key(table, key), expected)
    elif not facts["validated"]:
        observed = "NOT VALID" if own else "NOT VALID: existing rows may refer to missing rows"
        yield CheckResult(name, verdict, observed, "validated")
    elif (facts.get("on_delete"), facts.get("on_update")) != (key.on_delete, key.on_update):
        yield CheckResult(name, Verdict.WARN, other_actions(table, key, facts), expected)


def same_target(key: RequiredKey, facts: Facts) -> bool:
    """Whether a constraint is this foreign key, whatever its name and actions."""
    target = (facts.get("references"), facts.get("columns"), facts.get("referenced"))
    return facts["type"] == "f" and target == (key.references, [key.column], ["id"])
