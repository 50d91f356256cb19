"""Telling of a run: to its journal, which must hold an event before anything acts on it, and to whoever watches."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from cartctl.engine.journal.replicated_journal import KeptJournal
from cartctl.engine.model import Event
from cartctl.engine.outcome import Outcome, after_bug
from cartctl.engine.state import State
from cartctl.errors import CartctlError, as_error

Observer: TypeAlias = Callable[[Event], None]

_log = logging.getLogger("cartctl")


class Telling:
    """The journal and the observer of one run; its state is folded from what is told.

    Once `calm` (the run reverts, settles or ends) nothing here raises: neither a journal nor a display may stop an undo.
    """

    def __init__(self, state: State, journal: KeptJournal, observe: Observer) -> None:
        self._state = state
        self._journal = journal
        self._observe: Observer | None = observe
        self.calm = False
        self.bug: CartctlError | None = None  # the first exception that no code expected
        self.unwritten: Exception | None = None  # why an event of a calm run is in no journal

    def go_calm(self) -> None:
        """From here on the way back goes first: a journal that takes nothing and a broken display stop nothing."""
        self._journal.may_miss()
        self.calm = True

    def tell(self, key: str, event: str, data: Mapping[str, Any]) -> None:
        """Journal an event, fold it into the state, and show it."""
        entry = self._event(key, event, data)
        try:
            self._journal.append(entry)
        except Exception as failed:
            if not self.calm:
                raise
            self.unwritten = failed
        self._state.take(entry)
        self.show(entry)

    def begin(self, key: str, event: str) -> None:
        """Show the beginning of something, which no journal keeps."""
        self.show(self._event(key, event, {}))

    def show(self, event: Event) -> None:
        """Tell the observer; one that has raised is told nothing any more."""
        if self._observe is None:
            return
        try:
            self._observe(event)
        except Exception as bug:
            self._observe = None
            if not self.calm:
                raise
            self.expect(bug)

    def record(self, key: str, failure: CartctlError) -> None:
        """Journal what failed."""
        self.tell(key, "failed", {"code": failure.code, "message": failure.message, "hint": failure.hint})

    def expect(self, failure: Exception) -> CartctlError:
        """A failure as one that has a sentence; the first that is a bug is kept, its traceback shown with --debug alone."""
        error = as_error(failure)
        if error is not failure and error.exit_code == 1:
            self.bug = self.bug or error
            _log.error("%s", error.message, exc_info=failure)
        return error

    def conclude(self, outcome: Outcome, *, left: bool) -> Outcome:
        """After a bug exit code 1; where a revert failed as well (or `left` something), 5, and the run stays open."""
        if self.bug is None:
            return outcome
        return after_bug(outcome, not_reverted=left or bool(self._state.undo_failed))

    def confirm_written(self, outcome: Outcome) -> Outcome:
        """The outcome, unless no journal has taken its end: that needs an operator."""
        if self.unwritten is None:
            return outcome
        lost = self.expect(self.unwritten).message
        return replace(
            outcome, exit_code=5, message=f"{outcome.message} The journal is incomplete: {lost}".strip()
        )

    def _event(self, key: str, event: str, data: Mapping[str, Any]) -> Event:
        return Event(self._state.run, datetime.now(UTC), key, event, data)
