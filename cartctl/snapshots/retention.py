"""`snapshot prune`: which snapshots may go. A pinned one never does, nor the newest that was verified."""

from dataclasses import dataclass
from typing import ClassVar

from cartctl.snapshots.store import Snapshot, Snapshots, Store


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went and what stays, by id, newest first."""

    kind: ClassVar[str] = "pruned"

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    done: bool  # False: only shown


def too_many(known: Snapshots, keep: int) -> list[Snapshot]:
    """Those beyond the newest `keep` verified ones: older verified ones, and what is not verified and older than these.

    Pinned ones neither go nor count. Pure.
    """
    free = [entry for entry in known.snapshots if not entry.pinned]
    good = [entry for entry in free if entry.verified][:keep]
    if not good:
        return []
    return [entry for entry in free if entry not in good and entry.created_at < good[0].created_at]


def prune(store: Store, keep: int, *, really: bool) -> Pruned:
    """Remove what is too many, or only say so."""
    known = store.list()
    going = too_many(known, keep)
    if really:
        for entry in going:
            store.remove(entry.id)
    gone = tuple(entry.id for entry in going)
    return Pruned(gone, tuple(entry.id for entry in known.snapshots if entry.id not in gone), really)
