"""The backup before a deployment, made by another tool."""

from typing import Any

from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.snapshots.backup_providers import Provider, ProviderBackup
from cartctl.steps.database.snapshot import snapshot_id


class Backup(Action[dict[str, Any]]):
    """Requests a backup; the tool's report is the evidence."""

    key = "snapshot"

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def find(self, run: Run) -> dict[str, Any] | None:
        """The run's backup, if the tool can find it by its id. Read-only."""
        backup = self._provider.find(snapshot_id(run), Pulse())
        return None if backup is None else self._result(backup)

    def perform(self, run: Run, pulse: Pulse) -> dict[str, Any]:
        """`id`, `provider`, `bytes`, `wal_lsn`, `at`; `verified` is the tool's own statement."""
        return self._result(self._provider.create(snapshot_id(run), pulse))

    def _result(self, backup: ProviderBackup) -> dict[str, Any]:
        return {
            "id": backup.id,
            "provider": self._provider.name,
            "bytes": backup.bytes,
            "wal_lsn": backup.lsn,
            "at": backup.at.isoformat(),
            "verified": True,
        }
