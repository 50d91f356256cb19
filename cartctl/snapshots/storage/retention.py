"""`snapshot prune`: which snapshots to remove: never a pinned one, the latest verified ones, or an unreadable one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from cartctl.errors import Refused
from cartctl.snapshots.storage.entries import Snapshot, Snapshots
from cartctl.snapshots.storage.local import Store


@dataclass(frozen=True, slots=True)
class Pruned:
    """The snapshots that were removed and kept, by ID, newest first; `unreadable` are those kept that cannot be read."""

    kind: ClassVar[str] = "pruned"

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    done: bool  # False: only shown
    unreadable: tuple[str, ...] = ()


def too_many(known: Snapshots, keep: int) -> list[Snapshot]:
    """Those beyond the newest `keep` verified ones: older verified ones, and what is not verified and older than these.

    Pinned and unreadable ones are neither removed nor counted. Pure.
    """
    free = [entry for entry in known.snapshots if not entry.pinned and not entry.unreadable]
    good = [entry for entry in free if entry.verified][:keep]
    if not good:
        return []
    return [entry for entry in free if entry not in good and entry.created_at < good[0].created_at]


def plan_pruning(store: Store, keep: int, ids: Iterable[str] = ()) -> Pruned:
    """What would be removed: the surplus, or the snapshots in `ids`, readable or not. Read-only.

    Raises UsageError for an unknown id, Refused for a pinned one.
    """
    known = store.list()
    named = [store.entry(each) for each in dict.fromkeys(ids)]
    for entry in named:
        if entry.pinned:
            raise Refused(f"snapshot {entry.id} is pinned", hint="cartctl snapshot list")
    removed = tuple(entry.id for entry in (named or too_many(known, keep)))
    retained = [entry for entry in known.snapshots if entry.id not in removed]
    unreadable = tuple(entry.id for entry in retained if entry.unreadable)
    return Pruned(removed, tuple(entry.id for entry in retained), done=False, unreadable=unreadable)


def prune(store: Store, keep: int, ids: Iterable[str] = ()) -> Pruned:
    """Remove what `plan_pruning` names. Raises what it raises, StepFailed for one that cannot be removed."""
    plan = plan_pruning(store, keep, ids)
    for each in plan.removed:
        store.remove(each)
    return Pruned(plan.removed, plan.kept, done=True, unreadable=plan.unreadable)
