"""What the application's own files changed outside the cart's tables and enums, and how each change is reverted. Pure.

It is derived from the catalogue difference that the migration recorded. Objects that were changed again since, and changes that
cannot be reverted, are named; both stop a rollback.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cartctl.database.catalogue import Catalogue, Difference, Facts, object_path
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.application.reverted_facts import drop_statement, removed_revert, reverted_column
from cartctl.database.drop.attribution import named
from cartctl.database.drop.differences import is_ours, on_ours
from cartctl.database.drop.plan_objects import DropColumn, DropPart, RebuiltEnum, Revert

_PRIVILEGES = {"grants", "owner"}  # that may have been changed since without any effect on the drop
_EARLY = {"trigger", "policy", "rule", "view", "materialized view", "statistics"}  # before the tables
_LATE = {"function", "sequence", "domain"}


@dataclass(slots=True)
class ApplicationChanges:
    """Changes that are still in place, by how they are undone."""

    tables: list[str] = field(default_factory=list)
    enums: list[str] = field(default_factory=list)
    parts: list[DropPart] = field(default_factory=list)
    columns: list[DropColumn] = field(default_factory=list)
    early: list[Revert] = field(default_factory=list)  # other objects to drop before the tables
    reverts: list[Revert] = field(default_factory=list)  # after the tables
    labels: list[RebuiltEnum] = field(default_factory=list)
    irreversible: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)  # changed again after the run


def application_changes(own: Difference, now: Catalogue, identifiers: frozenset[str]) -> ApplicationChanges:
    """Sort a run's changes of others' objects. `identifiers` are those of the files that it executed."""
    sorting = _Sorting(own, now)
    others = Difference(
        {key: facts for key, facts in own.added.items() if not is_ours(key) and not on_ours(facts)},
        own.removed,
        own.changed,
    )
    mine = named(others, identifiers)
    for key, facts in sorted(mine.added.items()):
        if key in now.objects and not sorting.goes_along(key, facts):
            sorting.added(key, facts, now.objects[key])
    for key, facts in sorted(mine.removed.items(), key=_recreation_order):
        if now.objects.get(key) != facts:
            sorting.removed(key, facts)
    for key, (before, after) in sorted(mine.changed.items()):
        if now.objects.get(key) != before:
            sorting.changed(key, before, after)
    unnamed = others.within(others.keys - mine.keys)
    sorting.result.irreversible += [
        line for line in unnamed.lines() if line[0] != "+" or line[2:] in now.objects
    ]
    sorting.result.later += _users_since(sorting.result.columns, own, now)
    return sorting.result


class _Sorting:
    """The changes so far, and the facts of all objects."""

    def __init__(self, own: Difference, now: Catalogue) -> None:
        self._own, self._now = own, now
        self.result = ApplicationChanges()

    def goes_along(self, key: str, facts: Facts) -> bool:
        """Whether an added object is dropped with another: on an added table or domain, behind a constraint, a column's sequence."""
        kind, path = object_path(key)
        if kind == "sequence":
            return any("_".join((*column[1:], "seq")) == path[-1] for column in self._paths("column"))
        if kind == "table":
            return any(_path_of(parent) in self._paths("table") for parent in facts.get("parents") or ())
        if kind == "constraint" and "table" not in facts:
            return True  # of a domain
        owner = _path_of(facts["table"]) if "table" in facts else path[:-1]
        behind = (*owner, path[-1]) in self._paths("constraint") if kind == "index" else False
        return behind or owner in self._paths("table")

    def _paths(self, kind: str) -> set[tuple[str, ...]]:
        return {object_path(key)[1] for key in self._own.added if key.startswith(f"{kind} ")}

    def added(self, key: str, facts: Facts, current: Facts) -> None:
        """An object that the run created and that still exists."""
        kind, path = object_path(key)
        if path[0] != SCHEMA:
            self.result.irreversible.append(f"+ {key}")
        elif _essential(facts) != _essential(current):
            self.result.later.append(f"{_short(kind, path)} is not as the migration created it")
        elif kind == "column":
            self.result.columns.append(DropColumn(path[1], path[2]))
        elif kind in {"index", "constraint"}:
            self.result.parts.append(DropPart(kind, path[-1], _table(facts)))
        elif kind == "table" and facts.get("kind") in {"r", "p"}:
            self.result.tables.append(path[1])
        elif kind == "enum":
            self.result.enums.append(path[1])
        elif kind in _EARLY | _LATE:
            table = path[1] if len(path) > 2 else ""  # noqa: PLR2004 - schema, table, name
            revert = Revert(_short(kind, path), "dropped", drop_statement(key), table)
            (self.result.early if kind in _EARLY else self.result.reverts).append(revert)
        else:
            self.result.irreversible.append(f"+ {key}")

    def removed(self, key: str, facts: Facts) -> None:
        """An object that the run removed."""
        behind = key.startswith("index ") and any(
            object_path(each)[1] == (*_path_of(facts["table"]), object_path(key)[1][-1])
            for each in self._own.removed
            if each.startswith("constraint ")
        )
        revert = removed_revert(key, facts)
        if behind:
            return
        if revert is None or key in self._now.objects:
            self.result.irreversible.append(f"- {key}")
        else:
            self.result.reverts.append(revert)

    def changed(self, key: str, before: Facts, after: Facts) -> None:
        """An object that the run changed."""
        kind, path = object_path(key)
        line = Difference({}, {}, {key: (before, after)}).lines()[0]
        different = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        if path[0] == SCHEMA and self._now.objects.get(key) != after:
            self.result.later.append(f"{_short(kind, path)} was changed again")
        elif path[0] == SCHEMA and kind == "column" and different <= {"default", "not_null"}:
            self.result.reverts += reverted_column(path, before, different)
        elif path[0] == SCHEMA and kind == "enum" and different == {"labels"} and _extends(before, after):
            labels = tuple(each for each in after["labels"] if each not in before["labels"])
            self.result.labels.append(RebuiltEnum(path[1], labels, tuple(before["labels"])))
        elif kind in {"index", "constraint"} and (revert := removed_revert(key, before)):
            self.result.parts.append(DropPart(kind, path[-1], _table(after)))
            self.result.reverts.append(revert)
        else:
            self.result.irreversible.append(line)


def _users_since(columns: list[DropColumn], own: Difference, now: Catalogue) -> Iterator[str]:
    """Indexes and constraints that would be dropped with a column although the run did not create them."""
    for column in columns:
        for key, facts in now.objects.items():
            kind, path = object_path(key)
            if kind not in {"index", "constraint"} or key in own.added or "table" not in facts:
                continue
            on = _table(facts) == column.table and column.name in facts.get("columns", ())
            to = "references" in facts and _table({"table": facts["references"]}) == column.table
            if on or (to and column.name in facts.get("referenced", ())):
                yield f"{_short(kind, path)} uses {column}"


def _essential(facts: Facts) -> dict[str, object]:
    return {name: value for name, value in facts.items() if name not in _PRIVILEGES}


def _extends(before: Facts, after: Facts) -> bool:
    """Whether only labels were added, at any place."""
    return [each for each in after["labels"] if each in before["labels"]] == list(before["labels"])


def _recreation_order(item: tuple[str, Facts]) -> tuple[int, str]:
    """Keys after the unique constraints that they need, triggers last."""
    key, facts = item
    kinds = {"index": 0, "constraint": 2 if facts.get("type") == "f" else 1}
    return kinds.get(object_path(key)[0], 3), key


def _table(facts: Facts) -> str:
    return _path_of(facts["table"])[-1]


def _path_of(table: object) -> tuple[str, ...]:
    return object_path(f"table {table}")[1]


def _short(kind: str, path: tuple[str, ...]) -> str:
    return f"{kind} {'.'.join(path[1:])}"
