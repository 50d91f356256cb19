"""What a run's migration changed in the catalogue, recorded in its journal, and whether it was rolled back.

It is read from the catalogues before and after the migration, not from a list: another tool's migration may have changed
objects outside the cart's.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from cartctl.database.catalogue import Catalogue, Difference, Facts, difference, object_path
from cartctl.database.contract.definition import SCHEMA, required_enums, required_tables
from cartctl.database.drop.attribution import named, recorded_identifiers
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.errors import Refused

NOTHING: dict[str, Any] = {"added": {}, "removed": {}, "changed": {}}  # a difference as a journal stores it
SHOWN = 8  # objects of a difference in a result
HOME = "cartctl"  # the schema of Alembic's version and of cartctl's record


def to_json(difference: Difference) -> dict[str, Any]:
    """A difference as a journal stores it."""
    return {
        "added": {key: dict(facts) for key, facts in difference.added.items()},
        "removed": {key: dict(facts) for key, facts in difference.removed.items()},
        "changed": {key: [dict(facts) for facts in pair] for key, pair in difference.changed.items()},
    }


def from_json(data: Mapping[str, Any]) -> Difference:
    """The difference that `to_json` wrote."""
    changed = {key: (pair[0], pair[1]) for key, pair in data["changed"].items()}
    return Difference(data["added"], data["removed"], changed)


def before(results: Mapping[str, Any]) -> Catalogue:
    """The catalogue that a run recorded before its migration. Raises Refused when it recorded none."""
    recorded = results.get("fingerprint")
    if recorded is None:
        raise Refused(
            "This run did not record the catalogue before its migration, so its changes are unknown.",
            hint="Roll back only the code: omit --database.",
        )
    return Catalogue(recorded["objects"])


def own_difference(results: Mapping[str, Any], now: Catalogue) -> Difference:
    """What a run's migration changed: as recorded; for an interrupted run, what is new since then and can come from its files."""
    migrated = results.get("migrate")
    if migrated is not None:
        return from_json(migrated["difference"])
    return since_fingerprint(difference(before(results), now), recorded_identifiers(results))


def attributed(
    fingerprint: Catalogue,
    before_: Catalogue,
    after: Catalogue,
    identifiers: frozenset[str] = frozenset(),
) -> Difference:
    """What a run's migration changed. Pure.

    Of the cart's own objects, and of those that the application's files name, that is all since the run's fingerprint, since
    an attempt that was killed may have made some; of others only what changed while the migration ran.
    """
    own = since_fingerprint(difference(fingerprint, after), identifiers)
    during = difference(before_, after)
    return _merged(during.within(during.keys - ours(during).keys - own.keys), own)


def since_fingerprint(since: Difference, identifiers: frozenset[str]) -> Difference:
    """The cart's objects and those that files with these `identifiers` can have changed. Pure."""
    return _merged(named(since, identifiers), ours(since))


def _merged(one: Difference, other: Difference) -> Difference:
    return Difference(
        {**one.added, **other.added}, {**one.removed, **other.removed}, {**one.changed, **other.changed}
    )


def ours(difference: Difference) -> Difference:
    """The part of a difference that concerns the cart's objects and anything on the cart's tables."""
    return difference.within(
        {
            key
            for key, facts in {**difference.added, **difference.removed}.items()
            if is_ours(key) or on_ours(facts)
        }
        | {key for key, (facts, _) in difference.changed.items() if is_ours(key) or on_ours(facts)}
    )


def on_ours(facts: Facts) -> bool:
    """An index or constraint of any name is dropped with the cart's table it is on."""
    return "table" in facts and is_ours(f"table {facts['table']}")


def is_ours(key: str) -> bool:
    """Whether an object is a cart table or enum, part of one, or in cartctl's schema."""
    kind, _, name = key.replace('"', "").partition(" ")
    path = name.split(".")
    if path[0] == HOME:
        return True
    if path[0] != SCHEMA or len(path) < 2:  # noqa: PLR2004 - schema and object
        return False
    return path[1] in _names().get(kind, _names()["table"])


@cache
def _names() -> Mapping[str, frozenset[str]]:
    """The cart's objects by their kind; what belongs to a table is named after it."""
    tables = frozenset(table.name for table in required_tables())
    indexes = frozenset(index.name for table in required_tables() for index in table.indexes)
    return {
        "table": tables,
        "index": indexes | {f"{table}_pkey" for table in tables},
        "enum": frozenset(required_enums()),
    }


def reverted_checks(results: Mapping[str, Any], now: Catalogue) -> Checks:
    """Whether a run's own objects are as they were before it; later changes by others are listed and pass. Pure."""
    own = own_difference(results, now)
    since = difference(before(results), now)
    left = since.within(own.keys - _retained_enums(results, now) - _retained_labels(results, now))
    others = since.within(since.keys - own.keys)
    checks = [
        CheckResult(
            "catalogue",
            Verdict.FAIL if left else Verdict.PASS,
            observed=_first(left.lines()) or f"{len(own.keys)} objects as before the deployment",
            expected="as before the deployment",
        )
    ]
    if others:
        summary = _first(others.lines())
        checks.append(CheckResult("changes by others", Verdict.PASS, observed=summary))
    return Checks.of(checks)


def _first(lines: list[str]) -> str:
    """A difference for a sentence: the first few objects, and how many more there are."""
    more = f" (and {len(lines) - SHOWN} more)" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more


def _retained_labels(results: Mapping[str, Any], now: Catalogue) -> set[str]:
    """Enums of others in which the rollback kept labels, as requested."""
    names = {(SCHEMA, each["enum"]) for each in results.get("database", {}).get("kept_labels", ())}
    return {key for key in now.objects if key.startswith("enum ") and object_path(key)[1] in names}


def _retained_enums(results: Mapping[str, Any], now: Catalogue) -> set[str]:
    """Enums that the rollback was allowed to keep: it said so, or others' columns show it."""
    used = {str(facts["type"]).removesuffix("[]") for facts in now.of("column").values()}
    retained = {f'{SCHEMA}."{name}"' for name in results.get("database", {}).get("kept_enums", ())}
    return {f"enum {name}" for name in now.of("enum") if name in used | retained}
