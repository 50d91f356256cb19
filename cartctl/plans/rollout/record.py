"""The rollout's record, from its runs in the journal and the local files. Read-only."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cartctl.engine.events import Event, EventKind, RunOutcome
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.plans.execution.journals import open_journals
from cartctl.ports import Ports
from cartctl.rollout.record import Record, Step, fold, read_step


def read_record(journal: ReplicatedJournal, file: FileJournal) -> Record:
    """Fold the runs, also those that only the local file has."""
    return fold(sorted(_steps(journal, file), key=lambda step: step.at or datetime.min.replace(tzinfo=UTC)))


def began_with(ports: Ports) -> Mapping[str, Any]:
    """The allocation inputs that the start of the current rollout recorded; empty without one.

    Raises DatabaseUnreachable.
    """
    with open_journals(ports, read_only=True) as journals:
        record = read_record(journals.replicated, FileJournal(ports.directory / "runs"))
    return record.frozen if record.under_way else {}


def _steps(journal: ReplicatedJournal, file: FileJournal) -> Iterator[Step]:
    for run in dict.fromkeys([*journal.runs(), *file.runs()]):
        events = journal.events(run)
        step = read_step(events) or _undone_step(events)
        if step is not None:
            yield step


def _undone_step(events: list[Event]) -> Step | None:
    """A `cartctl rollback` that set the flags to 0 %: for the rollout this is an abort."""
    first = next((event for event in events if event.event == EventKind.STARTED), None)
    moved = any((event.key, event.event) == ("flags", EventKind.APPLIED) for event in events)
    if first is None or first.data.get("plan") != "rollback" or not moved:
        return None
    who = f"{first.data.get('user', 'unknown')}@{first.data.get('host', 'unknown')}"
    step = Step("abort", why="cartctl rollback", after="0", on=first.at.date())
    return replace(step, run=first.run, at=first.at, by=who, outcome=RunOutcome.SUCCEEDED)
