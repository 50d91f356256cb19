"""The journal's replica in the cluster: a ConfigMap that survives the loss of the database and of this machine."""

from collections.abc import Mapping

from cartctl.adapters.cluster import Cluster
from cartctl.derived_names import CONFIGMAP_KEY, fit_name
from cartctl.engine.events import Event, EventKind
from cartctl.engine.journal.lines import read_lines, to_line
from cartctl.engine.journal.stores import open_among

CONFIGMAP = "cartctl-journal"
MARK = "journal.id"  # the key with the identity of the replicated journal
MAX_RUNS = 8  # a ConfigMap holds 1 MiB; a run takes a few KiB
EVENTS = {
    EventKind.STARTED,
    EventKind.INTENDED,
    EventKind.RESTORED,
    EventKind.UNDOING,
    EventKind.UNDO_FAILED,
    EventKind.FINISHED,
}  # the events that a code rollback reads
RELEASE = '"kind": "release"'


class ClusterJournal:
    """One key per run, its events as lines; the oldest runs are removed, those without a release first."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def append(self, event: Event) -> None:
        """Append a line to the run's key; skip events that a code rollback does not read."""
        if event.event not in EVENTS:
            return
        runs = self._runs()
        key = fit_name(event.run, CONFIGMAP_KEY)
        changes: dict[str, str | None] = {key: runs.get(key, "") + to_line(event) + "\n"}
        if key not in runs:
            changes |= dict.fromkeys(_oldest(runs, len(runs) + 1 - MAX_RUNS))
        self._cluster.put_settings(CONFIGMAP, changes)

    def belong_to(self, identity: str) -> None:
        """Remove the runs of another database's journal."""
        settings = self._cluster.settings(CONFIGMAP)
        if settings.get(MARK, identity) != identity:
            self._cluster.put_settings(CONFIGMAP, {**dict.fromkeys(settings), MARK: identity})
        elif MARK not in settings:
            self._cluster.put_settings(CONFIGMAP, {MARK: identity})

    def events(self, run: str) -> list[Event]:
        """In the order they were written. Raises DamagedJournal."""
        key = fit_name(run, CONFIGMAP_KEY)
        return list(read_lines(self._runs().get(key, "").encode(), f"ConfigMap {CONFIGMAP}, {key}"))

    def open_runs(self) -> list[str]:
        """Newest first."""
        return open_among(self, self.runs())

    def runs(self) -> list[str]:
        """Newest first."""
        return sorted(self._runs(), reverse=True)

    def _runs(self) -> dict[str, str]:
        return {run: lines for run, lines in self._cluster.settings(CONFIGMAP).items() if run != MARK}


def _oldest(runs: Mapping[str, str], many: int) -> list[str]:
    """The runs to remove, at most `many`."""
    return sorted(runs, key=lambda run: (RELEASE in runs[run], run))[: max(0, many)]
