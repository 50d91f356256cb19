"""The journal's copy in the cluster: a ConfigMap that outlives the database and this machine."""

from collections.abc import Mapping

from cartctl.adapters.cluster import Cluster
from cartctl.derived_names import CONFIGMAP_KEY, fit_name
from cartctl.engine.journal.lines import read_lines, to_line
from cartctl.engine.journal.stores import open_among
from cartctl.engine.model import Event

CONFIGMAP = "cartctl-journal"
MARK = "journal.id"  # the key that says which database's journal this is a copy of
KEPT_RUNS = 8  # a ConfigMap holds 1 MiB; a run takes a few KiB
KEPT = {
    "started",
    "intended",
    "restored",
    "undoing",
    "undo_failed",
    "finished",
}  # all that a code rollback reads
RELEASE = '"kind": "release"'


class ClusterJournal:
    """One key per run, its events as lines; the oldest runs make room, those that released nothing first."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def append(self, event: Event) -> None:
        """Rewrite the run's key with one more line; what no code rollback reads is left out."""
        if event.event not in KEPT:
            return
        runs = self._kept()
        key = fit_name(event.run, CONFIGMAP_KEY)
        changes: dict[str, str | None] = {key: runs.get(key, "") + to_line(event) + "\n"}
        if key not in runs:
            changes |= dict.fromkeys(_oldest(runs, len(runs) + 1 - KEPT_RUNS))
        self._cluster.put_settings(CONFIGMAP, changes)

    def belong_to(self, identity: str) -> None:
        """Let go of what was kept of another database's journal."""
        settings = self._cluster.settings(CONFIGMAP)
        if settings.get(MARK, identity) != identity:
            self._cluster.put_settings(CONFIGMAP, {**dict.fromkeys(settings), MARK: identity})
        elif MARK not in settings:
            self._cluster.put_settings(CONFIGMAP, {MARK: identity})

    def events(self, run: str) -> list[Event]:
        """In the order they were written. Raises DamagedJournal."""
        key = fit_name(run, CONFIGMAP_KEY)
        return list(read_lines(self._kept().get(key, "").encode(), f"ConfigMap {CONFIGMAP}, {key}"))

    def open_runs(self) -> list[str]:
        """Newest first."""
        return open_among(self, self.runs())

    def runs(self) -> list[str]:
        """Newest first."""
        return sorted(self._kept(), reverse=True)

    def _kept(self) -> dict[str, str]:
        return {run: lines for run, lines in self._cluster.settings(CONFIGMAP).items() if run != MARK}


def _oldest(runs: Mapping[str, str], many: int) -> list[str]:
    """Which runs make room."""
    return sorted(runs, key=lambda run: (RELEASE in runs[run], run))[: max(0, many)]
