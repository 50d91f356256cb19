"""A replica that a reader can do without: one that cannot be read has no runs."""

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from cartctl.engine.events import Event
from cartctl.engine.journal.stores import Journal
from cartctl.errors import CartctlError, Refused

T = TypeVar("T")


class OptionalJournal:
    """Opens a replica on first use. For `history` and `report`, which need no access to the cluster. Read-only."""

    def __init__(self, open_replica: Callable[[], Journal]) -> None:
        self._open_replica = open_replica

    def append(self, event: Event) -> None:
        """Refused: the journal was opened for reading."""
        raise Refused(f"The event {event.key} {event.event} cannot be written: the journal is read-only.")

    def events(self, run: str) -> list[Event]:
        """In the order they were written."""
        return self._read(lambda replica: replica.events(run))

    def runs(self) -> list[str]:
        """Newest first."""
        return self._read(lambda replica: replica.runs())

    def open_runs(self) -> list[str]:
        """Newest first."""
        return self._read(lambda replica: replica.open_runs())

    @cached_property
    def _replica(self) -> Journal | None:
        try:
            return self._open_replica()
        except CartctlError:
            return None

    def _read(self, read: Callable[[Journal], list[T]]) -> list[T]:
        try:
            return read(self._replica) if self._replica else []
        except CartctlError:
            return []
