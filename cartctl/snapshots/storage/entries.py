"""A snapshot as a list shows it, and the lists themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot. `heads` are the migrations of its database."""

    kind: ClassVar[str] = "snapshot"

    id: str
    created_at: datetime
    provider: str
    bytes: int
    verified: bool
    pinned: bool
    heads: tuple[str, ...]
    unreadable: str = ""  # why it cannot be used; empty: it can


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots of an environment, newest first."""

    kind: ClassVar[str] = "snapshots"

    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenDump:
    """A dump that can be read: its directory, and the SHA-256 of the files in it."""

    path: Path
    files: Mapping[str, str]


def newest_first(entries: Iterable[Snapshot]) -> Snapshots:
    """A list of snapshots in its order. Pure."""
    return Snapshots(tuple(sorted(entries, key=lambda entry: (entry.created_at, entry.id), reverse=True)))
