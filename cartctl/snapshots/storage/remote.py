"""Remote snapshots: created on this machine first, then copied, the manifest last, so that a partial one does not count."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cartctl.adapters.object_store import NotRegular, ObjectStore
from cartctl.config.keys import did_you_mean_id
from cartctl.errors import Refused, StepFailed, UsageError
from cartctl.snapshots.manifest.manifest import (
    LIMIT,
    NAME,
    DamagedSnapshot,
    Manifest,
    damaged,
    parse_manifest,
)
from cartctl.snapshots.storage.entries import Snapshot, Snapshots, newest_first
from cartctl.snapshots.storage.local import DUMP, PINNED, VERIFIED, Store, is_id
from cartctl.snapshots.storage.marks import mark
from cartctl.snapshots.storage.work_directories import private, require_room, using


@dataclass(frozen=True, slots=True)
class RemoteStore(Store):
    """As Store; `directory` is where they are staged."""

    objects: ObjectStore = field(kw_only=True)

    def where(self, snapshot: str) -> str:
        """The address of a snapshot."""
        return f"{self.objects.url}/{self.path(snapshot).name}"

    def find(self, snapshot: str) -> Manifest | None:
        """As Store's. Read-only."""
        name = self.path(snapshot).name
        if self.objects.is_link(name):
            raise damaged(snapshot, "it is a symbolic link")
        try:
            content = self.objects.read(f"{name}/{NAME}", LIMIT + 1)
        except NotRegular as wrong:
            raise damaged(snapshot, "the manifest is not a regular file") from wrong
        return None if content is None else parse_manifest(content, snapshot)

    def list(self) -> Snapshots:
        """As Store's; a directory without a manifest is an incomplete upload, not a snapshot. Read-only."""
        entries = [self._shown(name) for name in self.objects.directories() if is_id(name)]
        return newest_first(entry for entry in entries if entry is not None)

    def entry(self, snapshot: str) -> Snapshot:
        """As Store's. Read-only."""
        if (entry := self._shown(self.path(snapshot).name)) is None:
            raise self._unknown(snapshot)
        return entry

    def pin(self, snapshot: str, reason: str) -> None:
        """As Store's."""
        self.objects.write(f"{snapshot}/{PINNED}", mark(reason))

    def note_verified(self, snapshot: str, *, passed: bool) -> None:
        """As Store's."""
        if passed:
            self.objects.write(f"{snapshot}/{VERIFIED}", mark("verified"))
        else:
            self.objects.remove(f"{snapshot}/{VERIFIED}")

    def remove(self, snapshot: str) -> None:
        """As Store's: the manifest first, since the rest is not a snapshot without it."""
        if self.entry(snapshot).pinned:
            raise Refused(f"The snapshot {snapshot} is pinned.", hint="cartctl snapshot list")
        self.objects.remove(f"{snapshot}/{NAME}")
        self.objects.remove(snapshot)

    @contextmanager
    def making(self, snapshot: str) -> Iterator[Path]:
        """As Store's, and copied when it is complete; the staged one is removed."""
        staged = self.path(snapshot)
        try:
            with Store.making(self, snapshot) as partial:
                yield partial
            self.objects.remove(snapshot)  # the remains of a killed upload
            for path in sorted((staged / DUMP).iterdir()):
                self.objects.put(path, f"{snapshot}/{DUMP}/{path.name}")
            self.objects.put(staged / NAME, f"{snapshot}/{NAME}")
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    @contextmanager
    def raw(self, snapshot: str) -> Iterator[Path]:
        """As Store's: copied here for the block."""
        manifest = self.get(snapshot)
        if self.objects.is_link(f"{snapshot}/{DUMP}"):
            raise damaged(snapshot, "the directory of its dump is a symbolic link")
        with private(self.directory, "fetched") as place:
            with using(place, f"cartctl snapshot verify {snapshot}"):
                for name, file in manifest.files.items():
                    self._fetch(snapshot, name, file.bytes, place / name)
            yield place

    def _fetch(self, snapshot: str, name: str, size: int, local: Path) -> None:
        """Copy a file if its size is as recorded: any other might fill the disk. The caller reports a missing one."""
        remote = f"{snapshot}/{DUMP}/{name}"
        try:
            actual = self.objects.size(remote)
        except NotRegular as wrong:
            raise damaged(snapshot, f"{name} is not a regular file") from wrong
        if actual is None:
            return
        if actual != size:
            raise damaged(snapshot, f"{name} has {actual} bytes instead of {size}")
        require_room(local.parent, size, f"fetching {name}")
        self.objects.get(remote, local)

    def _unknown(self, snapshot: str) -> UsageError:
        known = did_you_mean_id(snapshot, (entry.id for entry in self.list().snapshots))
        return UsageError(
            f"snapshot {snapshot} not found in {self.objects.url}{known}",
            hint="`cartctl snapshot list` shows the existing ones.",
        )

    def _shown(self, name: str) -> Snapshot | None:
        """An unreadable one gets the earliest date, since an address has none."""
        pinned = verified = False
        try:
            manifest = self.find(name)
            pinned, verified = (self.objects.exists(f"{name}/{mark}") for mark in (PINNED, VERIFIED))
        except (DamagedSnapshot, StepFailed) as unusable:
            at, reason = datetime.fromtimestamp(0, UTC), unusable.message
            return Snapshot(name, at, "remote", 0, verified=False, pinned=pinned, heads=(), unreadable=reason)
        if manifest is None:
            return None
        return Snapshot(
            manifest.id, manifest.created_at, "remote", manifest.bytes, verified, pinned, manifest.heads
        )
