"""Several journals as one: the database is authoritative, the replicas survive its loss."""

from collections.abc import Iterable
from contextlib import suppress

from cartctl.adapters.postgres import DatabaseUnreachable, SqlFailed
from cartctl.engine.events import Event
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.journal.stores import RECENT, Journal, open_among
from cartctl.errors import StepFailed


class ReplicatedJournal:
    """The database's journal, with every event repeated in the replicas.

    A failed write to the database is an error; once a run rolls back (`make_database_optional`) the replicas are
    enough, and `catch_up` brings the database up to date later.
    """

    def __init__(self, main: Journal | None, replicas: list[Journal]) -> None:
        self._main = main
        self._replicas = replicas
        self._must = main is not None
        self.behind = main is None
        self._lost: Exception | None = None  # why the last write to the database failed

    def make_database_optional(self) -> None:
        """From here on, an unreachable database does not stop the run: undoing has priority."""
        self._must = False

    def append(self, event: Event) -> None:
        """Write to the database, then to every replica; raise StepFailed only if no journal accepted the event."""
        written = self._append_to_main(event)
        lost = self._lost
        for replica in self._replicas:
            try:
                replica.append(event)
                written = True
            except Exception as failed:  # noqa: BLE001 - whatever it is, the other journals have the event
                lost = failed
        if not written:
            raise StepFailed(f"No journal accepted the event {event.key} {event.event}: {lost}") from lost

    def _append_to_main(self, event: Event) -> bool:
        if self._main is None or self.behind:
            return False
        try:
            self._main.append(event)
        except Exception as failed:
            if self._must:
                raise
            self.behind, self._lost = True, failed
        return not self.behind

    def events(self, run: str) -> list[Event]:
        """A run's events from the database; from all replicas if it is unreachable or does not know the run."""
        return self._events_of_main(run) or _merged(self._replicas, run)

    def _events_of_main(self, run: str) -> list[Event]:
        if self._main is None or self.behind:
            return []
        try:
            return self._main.events(run)
        except (DatabaseUnreachable, SqlFailed):
            if self._must:
                raise
            self.behind = True
            return []

    def runs(self) -> list[str]:
        """Newest first: the database's runs, or those of all replicas if it is unreachable."""
        if self._main is not None and not self.behind:
            return self._main.runs()
        return sorted({run for replica in self._replicas for run in replica.runs()}, reverse=True)

    def open_runs(self) -> list[str]:
        """Unfinished runs, newest first."""
        if self._main is not None and not self.behind:
            return self._main.open_runs()
        return open_among(self, self.runs()[:RECENT])


def catch_up(main: Journal, replica: Journal) -> int:
    """Copy missing events of the newest runs from the replica into `main`; return their number.

    A run that is damaged in one of the two is not changed.
    """
    settled = set(main.runs()) - set(main.open_runs())
    missing = []
    for run in [run for run in replica.runs()[:RECENT] if run not in settled]:
        with suppress(DamagedJournal):
            known = {(event.at, event.key, event.event) for event in main.events(run)}
            missing += [
                event for event in replica.events(run) if (event.at, event.key, event.event) not in known
            ]
    for event in missing:
        main.append(event)
    return len(missing)


def _merged(journals: Iterable[Journal], run: str) -> list[Event]:
    """A run's events merged from several journals, each once, ordered by time; any of them may be incomplete."""
    events = {
        (event.at, event.key, event.event): event for journal in journals for event in journal.events(run)
    }
    return [events[known] for known in sorted(events)]
