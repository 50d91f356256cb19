"""Where snapshots are kept: a directory of directories, each complete or not there.

Whoever makes one holds a lock on its unfinished directory, which the system frees when the process dies: what a
killed process left behind is known by that and swept away.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.adapters.encryption import Cipher
from cartctl.errors import Locked, Refused, UsageError
from cartctl.snapshots.encryption import decrypted
from cartctl.snapshots.manifest import DamagedSnapshot, Manifest, read_manifest
from cartctl.snapshots.places import PARTIAL, held

DUMP = "dump"  # the subdirectory that pg_dump writes
PINNED = "pinned.json"
VERIFIED = "verified.json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot as a list shows it. `heads` are the migrations its database had."""

    kind: ClassVar[str] = "snapshot"

    id: str
    created_at: datetime
    provider: str
    bytes: int
    verified: bool
    pinned: bool
    heads: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class Store:
    """A directory that holds snapshots. Made when the first one is."""

    directory: Path
    cipher: Cipher | None = None

    def where(self, snapshot: str) -> str:
        """Where a snapshot is, for people."""
        return str(self.path(snapshot))

    def room(self) -> tuple[Path, int]:
        """Where on the disk the store would lie, as far as it exists, and the bytes free there. Read-only."""
        for place in (self.directory, *self.directory.parents):
            try:
                return place, shutil.disk_usage(place).free
            except OSError:
                continue  # not there yet, or not to be entered: making it will say so
        raise Refused(f"There is no disk below {self.directory}.")

    def path(self, snapshot: str) -> Path:
        """The directory of a snapshot by its id, whether it exists or not. Raises UsageError for what is no id."""
        if not _ID.fullmatch(snapshot):
            raise UsageError(
                f"{snapshot!r} is no snapshot's id.", hint="`cartctl snapshot list` shows the ids."
            )
        return self.directory / snapshot

    def find(self, snapshot: str) -> Manifest | None:
        """The manifest of a complete snapshot, None when there is none. Raises DamagedSnapshot. Read-only."""
        path = self.path(snapshot)
        return read_manifest(path) if path.is_dir() else None

    def get(self, snapshot: str) -> Manifest:
        """As `find`. Raises UsageError when there is none."""
        self.entry(snapshot)
        return read_manifest(self.path(snapshot))

    @contextmanager
    def raw(self, snapshot: str) -> Iterator[Path]:
        """The directory of a snapshot's files as they are kept, for as long as the block lasts."""
        yield self.path(snapshot) / DUMP

    @contextmanager
    def opened(self, snapshot: str) -> Iterator[OpenDump]:
        """A snapshot's dump for the tools, decrypted where it is not, for as long as the block lasts.

        Raises UsageError, DamagedSnapshot; ConfigError without the key.
        """
        manifest = self.get(snapshot)
        with self.raw(snapshot) as kept:
            if manifest.encryption is None:
                yield OpenDump(kept, {name: file.sha256 for name, file in manifest.files.items()})
                return
            with decrypted(kept, manifest, self.cipher, self.directory) as plain:
                yield OpenDump(plain, manifest.plain)

    def list(self) -> Snapshots:
        """Every snapshot, newest first; a damaged one is listed as not verified. Read-only."""
        try:
            found = [self._entry(path) for path in self.directory.iterdir() if _is_snapshot(path)]
        except FileNotFoundError:
            return Snapshots()
        except OSError as error:
            raise Refused(
                f"The snapshots in {self.directory} cannot be read: {error.strerror}.",
                hint="Run as the user who takes them, or set database.snapshots.url.",
            ) from error
        return Snapshots(tuple(sorted(found, key=lambda entry: (entry.created_at, entry.id), reverse=True)))

    def entry(self, snapshot: str) -> Snapshot:
        """One snapshot as the list shows it. Raises UsageError when there is none. Read-only."""
        if not (path := self.path(snapshot)).is_dir():
            raise UsageError(
                f"There is no snapshot {snapshot} in {self.directory}.",
                hint="`cartctl snapshot list` shows those there are.",
            )
        return self._entry(path)

    def newest(self) -> Snapshot:
        """The newest snapshot, verified or not. Raises UsageError when there is none. Read-only."""
        if found := self.list().snapshots:
            return found[0]
        raise UsageError(
            f"There is no snapshot in {self.directory}.", hint="cartctl snapshot create takes one."
        )

    def newest_verified(self) -> Snapshot | None:
        """The newest snapshot that passed its verification. Read-only."""
        return next((entry for entry in self.list().snapshots if entry.verified), None)

    def pin(self, snapshot: str, reason: str) -> None:
        """Keep a snapshot whatever the retention says."""
        _mark(self.path(snapshot) / PINNED, reason)

    def note_verified(self, snapshot: str, *, passed: bool) -> None:
        """Remember the outcome of a verification."""
        path = self.path(snapshot) / VERIFIED
        if passed:
            _mark(path, "verified")
        else:
            path.unlink(missing_ok=True)

    def remove(self, snapshot: str) -> None:
        """Remove a snapshot; a kill in the middle leaves no half of it. Raises Refused for a pinned one."""
        if self.entry(snapshot).pinned:
            raise Refused(f"The snapshot {snapshot} is pinned.", hint="cartctl snapshot list")
        gone = (
            self.directory / f"{PARTIAL}{snapshot}-{secrets.token_hex(4)}"
        )  # swept like any other left-over
        with effect("snapshots.remove"):
            self.path(snapshot).rename(gone)
            shutil.rmtree(gone)

    @contextmanager
    def making(self, snapshot: str) -> Iterator[Path]:
        """An unfinished directory, mode 0700, that becomes the snapshot at the block's end and vanishes when it fails.

        Raises Locked when another process is making the same one, Refused when the directory cannot be made.
        """
        final = self.path(snapshot)
        self._sweep(snapshot)
        partial = self.directory / f"{PARTIAL}{snapshot}-{secrets.token_hex(4)}"
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.mkdir(mode=0o700)
        except OSError as error:
            raise Refused(
                f"Snapshots cannot be kept in {self.directory}: {error.strerror}.",
                hint="Make the directory writable, or set database.snapshots.url.",
            ) from error
        with held(partial):
            try:
                yield partial
                self._publish(partial, final)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def _publish(self, partial: Path, final: Path) -> None:
        with effect("snapshots.publish"):
            shutil.rmtree(final, ignore_errors=True)  # a damaged one of the same id
            partial.rename(final)
            sync(self.directory)

    def _sweep(self, snapshot: str) -> None:
        """Remove what dead processes left unfinished."""
        for leftover in self.directory.glob(f"{PARTIAL}*"):
            try:
                with held(leftover):
                    shutil.rmtree(leftover, ignore_errors=True)
            except Locked as busy:
                if leftover.name.rpartition("-")[0] == f"{PARTIAL}{snapshot}":
                    raise Locked(f"Another process is making the snapshot {snapshot}.") from busy
            except FileNotFoundError:
                continue  # somebody else swept it

    def _entry(self, path: Path) -> Snapshot:
        pinned = (path / PINNED).exists()
        try:
            made = read_manifest(path)
        except DamagedSnapshot:
            changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return Snapshot(path.name, changed, "local", 0, verified=False, pinned=pinned, heads=())
        verified = (path / VERIFIED).exists()
        return Snapshot(made.id, made.created_at, made.provider, made.bytes, verified, pinned, made.heads)


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_snapshot(path: Path) -> bool:
    return path.is_dir() and bool(_ID.fullmatch(path.name))


def mark(reason: str) -> bytes:
    """What a pin or a passed verification looks like: since when, and why."""
    return json.dumps({"at": datetime.now(UTC).isoformat(), "reason": reason}).encode()


def _mark(path: Path, reason: str) -> None:
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(mark(reason))
    sync(new)
    new.replace(path)
    sync(path.parent)
