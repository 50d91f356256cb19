"""Records the events of a run: durable in its journal before anything acts on them, then shown to the observer."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cartctl.engine.events import Event, EventKind, Failed
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.outcome import Outcome, after_bug
from cartctl.engine.state import State
from cartctl.errors import CartctlError, as_error

Observer: TypeAlias = Callable[[Event], None]

_log = logging.getLogger("cartctl")


class EventRecorder:
    """The journal and the observer of one run; the state is folded from the recorded events.

    In best-effort mode (the run reverts, settles or ends) nothing here raises: a failing journal or display must not stop an undo.
    """

    def __init__(self, state: State, journal: ReplicatedJournal, observe: Observer) -> None:
        self._state = state
        self._journal = journal
        self._observe: Observer | None = observe
        self.best_effort = False
        self.bug: CartctlError | None = None  # the first unexpected exception
        self.unwritten: Exception | None = None  # why an event could not be written in best-effort mode

    def be_best_effort(self) -> None:
        """Enter best-effort mode: from here on, failures of the journal or the display are recorded but not raised."""
        self._journal.make_database_optional()
        self.best_effort = True

    def record(self, key: str, event: str, data: Mapping[str, Any]) -> None:
        """Journal an event, fold it into the state, and show it."""
        entry = self._event(key, event, data)
        try:
            self._journal.append(entry)
        except Exception as failed:
            if not self.best_effort:
                raise
            self.unwritten = failed
        self._state.take(entry)
        self.show(entry)

    def begin(self, key: str, event: str) -> None:
        """Show that something begins; the journal does not record it."""
        self.show(self._event(key, event, {}))

    def show(self, event: Event) -> None:
        """Pass the event to the observer; after its first exception it is not called again."""
        if self._observe is None:
            return
        try:
            self._observe(event)
        except Exception as bug:
            self._observe = None
            if not self.best_effort:
                raise
            self.to_error(bug)

    def record_failure(self, key: str, failure: CartctlError, **more: float) -> None:
        """Record a failure; `more` is data of the attempt, such as its `seconds`."""
        data = Failed(code=failure.code, message=failure.message, hint=failure.hint)
        self.record(key, EventKind.FAILED, {**data, **failure.evidence, **more})

    def to_error(self, failure: Exception) -> CartctlError:
        """Convert any exception to a CartctlError; remember the first bug and log its traceback (shown with --debug)."""
        error = as_error(failure)
        if error is not failure and error.exit_code == 1:
            self.bug = self.bug or error
            _log.error("%s", error.message, exc_info=failure)
        return error

    def conclude(self, outcome: Outcome, *, left: bool) -> Outcome:
        """Exit code 1 after a bug; 5 and an open run if a revert failed as well, or if something is `left` to revert."""
        if self.bug is None:
            return outcome
        return after_bug(outcome, not_reverted=left or bool(self._state.undo_failed))

    def confirm_written(self, outcome: Outcome) -> Outcome:
        """The outcome, with exit code 5 if its last events are in no journal."""
        if self.unwritten is None:
            return outcome
        lost = self.to_error(self.unwritten).message
        return replace(
            outcome, exit_code=5, message=f"{outcome.message} The journal is incomplete: {lost}".strip()
        )

    def _event(self, key: str, event: str, data: Mapping[str, Any]) -> Event:
        return Event(self._state.run, datetime.now(UTC), key, event, data)


def took(started: float) -> dict[str, Any]:
    """The seconds since `started` (monotonic), as events record them."""
    return {"seconds": round(time.monotonic() - started, 3)}
