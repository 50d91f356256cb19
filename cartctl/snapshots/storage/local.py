"""The local snapshot store: a directory of directories, each complete or absent.

The process that creates a snapshot holds a lock on its unfinished directory, which the system releases when the process dies: so
the remains of a killed process are recognised and removed.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cartctl.adapters.effects import effect
from cartctl.adapters.encryption import Cipher
from cartctl.config.keys import did_you_mean_id
from cartctl.errors import Locked, Refused, UsageError
from cartctl.private_files import private_directory
from cartctl.snapshots.manifest.manifest import DamagedSnapshot, Manifest, damaged, read_manifest
from cartctl.snapshots.storage.dump_files import require_files
from cartctl.snapshots.storage.encryption import decrypted
from cartctl.snapshots.storage.entries import OpenDump, Snapshot, Snapshots, newest_first
from cartctl.snapshots.storage.marks import sync, write_mark
from cartctl.snapshots.storage.work_directories import PARTIAL, discard, locked, using

DUMP = "dump"  # the subdirectory that pg_dump writes
PINNED = "pinned.json"
VERIFIED = "verified.json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Store:
    """A directory of snapshots, created with the first one."""

    directory: Path
    cipher: Cipher | None = None

    def where(self, snapshot: str) -> str:
        """Where a snapshot is, for people."""
        return str(self.path(snapshot))

    def room(self) -> tuple[Path, int]:
        """The existing part of the store's path, and the bytes free there. Read-only."""
        for place in (self.directory, *self.directory.parents):
            try:
                return place, shutil.disk_usage(place).free
            except OSError:
                continue  # missing or not accessible: creating it will report that
        raise Refused(f"{self.directory} is not on a mounted disk.")

    def path(self, snapshot: str) -> Path:
        """The directory of a snapshot by its id, whether it exists or not. Raises UsageError for an invalid ID."""
        if not _ID.fullmatch(snapshot):
            raise UsageError(
                f"invalid snapshot id {snapshot!r}", hint="`cartctl snapshot list` shows the IDs."
            )
        return self.directory / snapshot

    def find(self, snapshot: str) -> Manifest | None:
        """The manifest of a complete snapshot, None if there is none. Raises DamagedSnapshot. Read-only."""
        path = self.path(snapshot)
        return read_manifest(path) if path.is_dir() or path.is_symlink() else None

    def get(self, snapshot: str) -> Manifest:
        """As `find`. Raises UsageError when there is none."""
        if (manifest := self.find(snapshot)) is None:
            raise self._unknown(snapshot)
        return manifest

    @contextmanager
    def raw(self, snapshot: str) -> Iterator[Path]:
        """The directory of a snapshot's files as they are kept, for as long as the block lasts.

        Raises DamagedSnapshot where it is a link.
        """
        dump = self.path(snapshot) / DUMP
        if dump.is_symlink():
            raise damaged(snapshot, "the directory of its dump is a symbolic link")
        yield dump

    @contextmanager
    def opened(self, snapshot: str) -> Iterator[OpenDump]:
        """A snapshot's dump for the tools, decrypted where it is not, for as long as the block lasts.

        Raises UsageError, DamagedSnapshot; ConfigError without the key.
        """
        manifest = self.get(snapshot)
        with self.raw(snapshot) as directory:
            require_files(directory, manifest)
            if manifest.encryption is None:
                yield OpenDump(directory, {name: file.sha256 for name, file in manifest.files.items()})
                return
            with decrypted(directory, manifest, self.cipher, self.directory) as plain:
                yield OpenDump(plain, manifest.plain)

    def list(self) -> Snapshots:
        """Every snapshot, newest first; one that cannot be read is listed with the reason. Read-only."""
        try:
            with os.scandir(self.directory) as entries:
                snapshots = [self._entry(Path(each.path)) for each in entries if _is_snapshot(each)]
        except FileNotFoundError:
            return Snapshots()
        except OSError as error:
            raise Refused(
                f"The snapshots in {self.directory} cannot be read: {error.strerror}.",
                hint="Run the command as the user who takes the snapshots, or set database.snapshots.url.",
            ) from error
        return newest_first(snapshots)

    def entry(self, snapshot: str) -> Snapshot:
        """One snapshot as the list shows it. Raises UsageError when there is none. Read-only."""
        path = self.path(snapshot)
        if not (path.is_dir() or path.is_symlink()):
            raise self._unknown(snapshot)
        return self._entry(path)

    def newest(self) -> Snapshot:
        """The newest readable snapshot, verified or not; an unreadable one where there is no other.

        Raises UsageError when there is none. Read-only.
        """
        if snapshots := sorted(self.list().snapshots, key=lambda entry: bool(entry.unreadable)):
            return snapshots[0]
        raise UsageError(f"No snapshot in {self.directory}.", hint="Take one with: cartctl snapshot create")

    def newest_verified(self) -> Snapshot | None:
        """The newest snapshot that passed its verification. Read-only."""
        return next((entry for entry in self.list().snapshots if entry.verified), None)

    def pin(self, snapshot: str, reason: str) -> None:
        """Pin a snapshot: retention never removes it."""
        write_mark(self.path(snapshot) / PINNED, reason)

    def note_verified(self, snapshot: str, *, passed: bool) -> None:
        """Record the result of a verification."""
        path = self.path(snapshot)
        if path.is_symlink():
            return  # its target does not belong to cartctl
        if passed:
            write_mark(path / VERIFIED, "verified")
        else:
            with using(path, "cartctl snapshot verify"):
                (path / VERIFIED).unlink(missing_ok=True)

    def remove(self, snapshot: str) -> None:
        """Remove a snapshot; a kill in the middle leaves no half of it. Raises Refused for a pinned one."""
        if self.entry(snapshot).pinned:
            raise Refused(f"The snapshot {snapshot} is pinned.", hint="cartctl snapshot list")
        trash = (
            self.directory / f"{PARTIAL}{snapshot}-{secrets.token_hex(4)}"
        )  # removed later like other remains
        with effect("snapshots.remove"), using(self.directory, "cartctl snapshot prune"):
            self.path(snapshot).rename(trash)
            discard(trash)

    @contextmanager
    def making(self, snapshot: str) -> Iterator[Path]:
        """An unfinished directory, mode 0700, that becomes the snapshot at the block's end and vanishes when it fails.

        Raises Locked when another process is making the same one, Refused when the directory cannot be made.
        """
        final = self.path(snapshot)
        self._sweep(snapshot)
        partial = self.directory / f"{PARTIAL}{snapshot}-{secrets.token_hex(4)}"
        try:
            private_directory(self.directory)
            partial.mkdir(mode=0o700)
        except OSError as error:
            raise Refused(
                f"Snapshots cannot be stored in {self.directory}: {error.strerror}.",
                hint="Make the directory writable, or set database.snapshots.url.",
            ) from error
        with locked(partial):
            try:
                with using(self.directory, "cartctl snapshot create"):
                    yield partial
                    self._publish(partial, final)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    def _publish(self, partial: Path, final: Path) -> None:
        with effect("snapshots.publish"):
            discard(final)  # a damaged one of the same id
            partial.rename(final)
            sync(self.directory)

    def _sweep(self, snapshot: str) -> None:
        """Remove what crashed processes left unfinished."""
        for leftover in self.directory.glob(f"{PARTIAL}*"):
            try:
                with locked(leftover):
                    shutil.rmtree(leftover, ignore_errors=True)
            except Locked as busy:
                if leftover.name.rpartition("-")[0] == f"{PARTIAL}{snapshot}":
                    raise Locked(f"Another process is creating the snapshot {snapshot}.") from busy
            except OSError:
                continue  # removed by another process, or foreign: a file, a link, another user's

    def _unknown(self, snapshot: str) -> UsageError:
        known = did_you_mean_id(snapshot, (entry.id for entry in self.list().snapshots))
        return UsageError(
            f"snapshot {snapshot} not found in {self.directory}{known}",
            hint="`cartctl snapshot list` shows the existing ones.",
        )

    def _entry(self, path: Path) -> Snapshot:
        try:
            manifest = read_manifest(path)
            pinned, verified = (os.path.lexists(path / mark) for mark in (PINNED, VERIFIED))
        except DamagedSnapshot as unusable:
            return _unreadable(path, unusable.message)
        return Snapshot(
            manifest.id,
            manifest.created_at,
            manifest.provider,
            manifest.bytes,
            verified,
            pinned,
            manifest.heads,
        )


def _unreadable(path: Path, reason: str) -> Snapshot:
    """What is known about a snapshot without its manifest; links are not followed."""
    try:
        changed = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
        pinned = not path.is_symlink() and os.path.lexists(path / PINNED)
    except (OSError, OverflowError, ValueError):
        changed, pinned = datetime.fromtimestamp(0, UTC), False
    return Snapshot(
        path.name, changed, "local", 0, verified=False, pinned=pinned, heads=(), unreadable=reason
    )


def is_id(name: str) -> bool:
    """Whether a name may be a snapshot's. Pure."""
    return bool(_ID.fullmatch(name))


def _is_snapshot(entry: "os.DirEntry[str]") -> bool:
    """A file is not a snapshot, whatever its name."""
    return is_id(entry.name) and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
