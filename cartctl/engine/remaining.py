"""Immediate stop of a run, on a second signal: reports what stays in place; the run can be resumed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cartctl.engine.events import RUN, Event, EventKind, RunOutcome
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.model import Evidence
from cartctl.engine.outcome import Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.signals import stopped
from cartctl.engine.state import State
from cartctl.errors import Interrupted

VALUE_CHARACTERS = 40  # characters of one value; longer values are only in the journal


@dataclass(frozen=True, slots=True)
class Stopping:
    """A run that can be stopped immediately.

    `descriptions` has a sentence about each step's change by its key, `next_command` resumes the run or rolls it back, and
    `changed` returns whether the run has changed anything.
    """

    state: State
    journal: ReplicatedJournal
    descriptions: Mapping[str, str]
    next_command: str
    changed: Callable[[], bool]

    @contextmanager
    def at_once(self, pulse: Pulse) -> Iterator[None]:
        """Guard a run. On a second signal, raise Interrupted with what stays in place and the next command.

        The run stays open then, unless it has changed nothing.
        """
        pulse.remaining = lambda: self._stop(pulse)
        try:
            yield
        except KeyboardInterrupt:
            stop = self._stop(pulse)
            with suppress(Exception):  # report what stays in place even if no journal is writable
                self._journal_end(stop)
            raise stop from None
        finally:
            pulse.remaining = None

    def _stop(self, pulse: Pulse) -> Interrupted:
        during = f" during {pulse.doing}" if pulse.doing else ""
        left = describe_remaining(self.state, self.descriptions)
        return stopped(f"Stopped at once{during}. {left}", hint=f"Next: {self.next_command}")

    def _journal_end(self, stop: Interrupted) -> None:
        self.journal.make_database_optional()
        outcome = Outcome(RunOutcome.INTERRUPTED, stop.exit_code, stop.message, self.next_command)
        end = EventKind.INTERRUPTED if self.changed() else EventKind.FINISHED
        self.journal.append(Event(self.state.run, datetime.now(UTC), RUN, end, outcome.to_json()))


def describe_remaining(state: State, descriptions: Mapping[str, str]) -> str:
    """The changes of a run that are not reverted, newest last: `descriptions` says what each step's change means. Pure."""
    left = [_one(evidence, descriptions.get(key, key)) for key, evidence in state.evidence.items()]
    return f"Still in place: {'; '.join(left)}." if left else "None of its changes is in place."


def _one(evidence: Evidence, word: str) -> str:
    moves = ", ".join(_moves(evidence))
    return f"{word} ({moves})" if moves else word


def _moves(evidence: Evidence) -> Iterator[str]:
    for name in evidence.names:
        before, now = (
            _text(evidence.before.get(name)),
            _text(evidence.to[-1].get(name) if evidence.to else None),
        )
        if before != now and max(len(before), len(now)) <= VALUE_CHARACTERS:
            yield f"{name} {before} → {now}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping) and "ref" in value:
        value = value["ref"]
    return "none" if value is None else str(value)
