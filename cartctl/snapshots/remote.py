"""Snapshots at another address: made on this machine first, then copied, the manifest last, so that half of one is none."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cartctl.adapters.object_store import ObjectStore
from cartctl.errors import Refused, UsageError
from cartctl.snapshots.manifest import NAME, DamagedSnapshot, Manifest, read_manifest
from cartctl.snapshots.places import private
from cartctl.snapshots.store import DUMP, PINNED, VERIFIED, Snapshot, Snapshots, Store, mark


@dataclass(frozen=True, slots=True)
class RemoteStore(Store):
    """As Store; `directory` is where they are staged."""

    objects: ObjectStore = field(kw_only=True)

    def where(self, snapshot: str) -> str:
        """The address of a snapshot."""
        return f"{self.objects.url}/{self.path(snapshot).name}"

    def find(self, snapshot: str) -> Manifest | None:
        """As Store's. Read-only."""
        content = self.objects.read(f"{self.path(snapshot).name}/{NAME}")
        if content is None:
            return None
        with tempfile.TemporaryDirectory(prefix="cartctl-manifest-") as place:
            directory = Path(place) / snapshot
            directory.mkdir()
            (directory / NAME).write_bytes(content)
            return read_manifest(directory)

    def get(self, snapshot: str) -> Manifest:
        """As Store's. Raises UsageError when there is none."""
        if (found := self.find(snapshot)) is None:
            raise UsageError(
                f"There is no snapshot {snapshot} in {self.objects.url}.",
                hint="`cartctl snapshot list` shows those there are.",
            )
        return found

    def list(self) -> Snapshots:
        """As Store's; a directory without a manifest is an upload that did not end, and no snapshot. Read-only."""
        found = [self._shown(name) for name in self.objects.names() if not name.startswith(".")]
        entries = [entry for entry in found if entry is not None]
        return Snapshots(tuple(sorted(entries, key=lambda entry: (entry.created_at, entry.id), reverse=True)))

    def entry(self, snapshot: str) -> Snapshot:
        """As Store's. Read-only."""
        self.get(snapshot)
        found = self._shown(snapshot)
        if found is None:
            raise UsageError(f"There is no snapshot {snapshot}.", hint="cartctl snapshot list")
        return found

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
        """As Store's: the manifest first, since without it the rest is no snapshot."""
        if self.entry(snapshot).pinned:
            raise Refused(f"The snapshot {snapshot} is pinned.", hint="cartctl snapshot list")
        self.objects.remove(f"{snapshot}/{NAME}")
        self.objects.remove(snapshot)

    @contextmanager
    def making(self, snapshot: str) -> Iterator[Path]:
        """As Store's, and copied when it is whole; the staged one is removed."""
        with Store.making(self, snapshot) as partial:
            yield partial
        staged = self.path(snapshot)
        try:
            self.objects.remove(snapshot)  # what an upload that was killed has left
            for path in sorted((staged / DUMP).iterdir()):
                self.objects.put(path, f"{snapshot}/{DUMP}/{path.name}")
            self.objects.put(staged / NAME, f"{snapshot}/{NAME}")
        finally:
            shutil.rmtree(staged, ignore_errors=True)

    @contextmanager
    def raw(self, snapshot: str) -> Iterator[Path]:
        """As Store's: copied here for the block."""
        manifest = self.get(snapshot)
        with private(self.directory, "fetched") as place:
            for name in manifest.files:
                if self.objects.exists(f"{snapshot}/{DUMP}/{name}"):
                    self.objects.get(f"{snapshot}/{DUMP}/{name}", place / name)
            yield place

    def _shown(self, name: str) -> Snapshot | None:
        pinned = self.objects.read(f"{name}/{PINNED}") is not None
        verified = self.objects.read(f"{name}/{VERIFIED}") is not None
        try:
            made = self.find(name)
        except (DamagedSnapshot, UsageError):
            return Snapshot(name, datetime.now(UTC), "remote", 0, verified=False, pinned=pinned, heads=())
        if made is None:
            return None
        return Snapshot(made.id, made.created_at, "remote", made.bytes, verified, pinned, made.heads)
