"""The journal's copy in the cluster: a ConfigMap that outlives the database and this machine."""

from cartctl.adapters.cluster import Cluster
from cartctl.engine.journal import from_line, open_among, to_line
from cartctl.engine.model import Event

CONFIGMAP = "cartctl-journal"
KEPT_RUNS = 5  # a ConfigMap holds 1 MiB; a run takes a few KiB
KEPT = {
    "started",
    "intended",
    "restored",
    "undoing",
    "undo_failed",
    "finished",
}  # all that a code rollback reads


class ClusterJournal:
    """One key per run, its events as lines; the oldest runs make room."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def append(self, event: Event) -> None:
        """Rewrite the run's key with one more line; what no code rollback reads is left out."""
        if event.event not in KEPT:
            return
        kept = self._cluster.settings(CONFIGMAP)
        changes: dict[str, str | None] = {event.run: kept.get(event.run, "") + to_line(event) + "\n"}
        if event.run not in kept:
            changes |= dict.fromkeys(sorted(kept)[: max(0, len(kept) + 1 - KEPT_RUNS)])
        self._cluster.put_settings(CONFIGMAP, changes)

    def events(self, run: str) -> list[Event]:
        """In the order they were written."""
        return [from_line(line) for line in self._cluster.settings(CONFIGMAP).get(run, "").splitlines()]

    def open_runs(self) -> list[str]:
        """Newest first."""
        return open_among(self, self.runs())

    def runs(self) -> list[str]:
        """Newest first."""
        return sorted(self._cluster.settings(CONFIGMAP), reverse=True)
