"""The snapshot before a deployment: created, verified, pinned; never reverted."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cartctl.engine.model import Action, Run, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.snapshots.create import Subject, create
from cartctl.snapshots.manifest.manifest import DamagedSnapshot, Manifest
from cartctl.snapshots.storage.local import Store
from cartctl.snapshots.verify import verify

MOST_ATTEMPTS = 1000  # snapshots of one run, each because the previous one was too old


class Snapshot(Action[dict[str, Any]]):
    """Dumps the database. Its WAL position and time are the point-in-time target of the run."""

    key = "snapshot"
    harmless: ClassVar[bool] = True

    def __init__(self, subject: Subject, store: Store, *, max_age: timedelta | None = None) -> None:
        self._subject = subject
        self._store = store
        self._max_age = max_age

    def find(self, run: Run) -> dict[str, Any] | None:
        """The run's snapshot, if it is complete, verified, pinned and not too old. Read-only."""
        snapshot = self._id(run)
        try:
            manifest = self._store.find(snapshot)
        except DamagedSnapshot:
            return None
        entries = self._store.list().snapshots
        retained = any(entry.id == snapshot and entry.verified and entry.pinned for entry in entries)
        return self._result(manifest) if manifest and retained else None

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """Create, verify and pin it. Raises StepFailed if the verification fails."""
        manifest = create(self._subject, self._store, self._id(run), pulse)
        checks = verify(self._store, manifest.id, pulse)
        if checks.verdict is not Verdict.PASS:
            bad = "; ".join(f"{check.name}: {check.observed}" for check in checks.bad())
            raise StepFailed(
                f"The verification of snapshot {manifest.id} failed: {bad}",
                hint=f"Check the disk; remove {self._store.where(manifest.id)} to create it again.",
            )
        self._store.pin(manifest.id, f"before run {run.id}")
        return self._result(manifest)

    def _id(self, run: Run) -> str:
        """The run's first snapshot that is not too old, or the next one to take: `run-ID`, then `run-ID-2`."""
        first = snapshot_id(run)
        ids = [first, *(f"{first}-{number}" for number in range(2, MOST_ATTEMPTS))]
        return next(each for each in ids if not self._too_old(each))

    def _too_old(self, snapshot: str) -> bool:
        try:
            manifest = self._store.find(snapshot)
        except DamagedSnapshot:
            return False
        if manifest is None or self._max_age is None:
            return False
        return datetime.now(UTC) - manifest.created_at > self._max_age

    def _result(self, manifest: Manifest) -> dict[str, Any]:
        return {
            "id": manifest.id,
            "path": self._store.where(manifest.id),
            "bytes": manifest.bytes,
            "wal_lsn": manifest.target.wal_lsn,
            "at": manifest.target.at.isoformat(),
            "rows": sum(table.rows for table in manifest.tables),
            "verified": True,
        }


def snapshot_id(run: Run) -> str:
    """The id of a run's snapshot; a resumed run finds the snapshot by it."""
    return f"run-{run.id}"
