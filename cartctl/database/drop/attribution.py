"""Who made a change outside the cart's objects: a migration file only if the file names the object. Pure.

While a migration runs, others may change the same database; what they did must not be reverted.
"""

from collections.abc import Mapping
from typing import Any

from cartctl.database.catalogue import Difference, Facts, object_path

_ON_TABLES = {"column", "constraint", "trigger", "policy", "rule"}  # named after their table


def recorded_identifiers(results: Mapping[str, Any]) -> frozenset[str]:
    """The names in the application's files that a run was about to execute; none where cartctl's own SQL ran."""
    return frozenset((results.get("fingerprint") or {}).get("identifiers") or ())


def named(difference: Difference, identifiers: frozenset[str]) -> Difference:
    """The part of a difference that files with these `identifiers` can have caused."""
    both: dict[str, tuple[Facts, Facts]] = {
        **{key: ({}, facts) for key, facts in difference.added.items()},
        **{key: (facts, {}) for key, facts in difference.removed.items()},
        **difference.changed,
    }
    return difference.within(
        {key for key, pair in both.items() if identifiers and _is_named(key, *pair, identifiers)}
    )


def _is_named(key: str, before: Facts, after: Facts, identifiers: frozenset[str]) -> bool:
    kind, path = object_path(key)
    facts = after or before
    if kind == "enum":
        labels = set(after.get("labels", ())) - set(before.get("labels", ())) if before else set()
        return {path[-1], *labels} <= identifiers
    if kind == "column":
        return set(path[-2:]) <= identifiers
    if kind in {"index", "constraint"}:
        table = object_path(f"table {facts['table']}")[1][-1] if "table" in facts else path[-2]
        return table in identifiers and not identifiers.isdisjoint({path[-1], *facts.get("columns", ())})
    if kind == "sequence":
        return path[-1] in identifiers or _is_automatic(path[-1], identifiers)
    return set(path[-2:] if kind in _ON_TABLES else path[-1:]) <= identifiers


def _is_automatic(sequence: str, identifiers: frozenset[str]) -> bool:
    """Whether a sequence has the name that a serial column of these files gets."""
    parts = sequence.removesuffix("_seq").split("_")
    return any({"_".join(parts[:end]), "_".join(parts[end:])} <= identifiers for end in range(1, len(parts)))
