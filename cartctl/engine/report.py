"""The report of a run, computed from its events alone: last NDJSON line, summary, history."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from cartctl.engine.events import LOCK, RUN, STOP, Event, EventKind, RunOutcome
from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.prediction import Prediction, TableLock, read_locks
from cartctl.engine.signoffs import RunSignoff, run_signoffs
from cartctl.engine.state import State, fold
from cartctl.inputs import MALFORMED

_ENDS = {
    EventKind.APPLIED,
    EventKind.SKIPPED,
    EventKind.FAILED,
    EventKind.RESTORED,
    EventKind.UNDO_FAILED,
}


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step: its last event, its duration in seconds, why it failed or was skipped, and its phase."""

    key: str
    outcome: str
    seconds: float
    reason: str = ""
    phase: str = ""


@dataclass(frozen=True, slots=True)
class NotNotified:
    """A notifier that did not accept a message of the run: its host, the step, and why."""

    name: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class RunReport:
    """The report of a run. `downtime_seconds` is the time from requesting maintenance until it was verified to be off; null without one."""

    kind: ClassVar[str] = "run"

    run: str
    env: str
    outcome: str
    exit_code: int
    seconds: float
    downtime_seconds: float | None
    steps: tuple[StepReport, ...]
    plan: str = ""
    started_at: datetime | None = None
    message: str = ""
    next_command: str = ""
    warnings: tuple[str, ...] = field(default=())
    asked: Mapping[str, Any] = field(default_factory=dict)  # the run's options, as its plan stores them
    not_notified: tuple[NotNotified, ...] = ()
    saved_rows: str | None = None  # the directory of the rows that it saved before deleting them
    signoffs: tuple[RunSignoff, ...] = ()
    prediction: Prediction | None = None  # what was expected when it began
    locks: tuple[TableLock, ...] = ()  # what its migrations held, measured


@dataclass(frozen=True, slots=True)
class History:
    """Runs, newest first."""

    kind: ClassVar[str] = "history"

    runs: tuple[RunReport, ...]


def report(events: list[Event]) -> RunReport:
    """The report of one run; an unfinished one has the outcome `unfinished` and exit code 5. Raises DamagedJournal."""
    if not events:
        raise DamagedJournal("The journal", "it has no events")
    try:
        return _report(events)
    except MALFORMED as wrong:
        raise DamagedJournal(
            f"The journal of run {events[0].run}", "its events have an unknown format"
        ) from wrong


def unreadable(run: str, damage: DamagedJournal) -> RunReport:
    """The history entry of a run whose events cannot be read; `message` says why."""
    return RunReport(run, "", RunOutcome.UNREADABLE, damage.exit_code, 0.0, None, (), message=damage.message)


def _report(events: list[Event]) -> RunReport:
    state = fold(events[0].run, events)
    end = next(
        (event for event in reversed(events) if (event.key, event.event) == (RUN, EventKind.FINISHED)), None
    )
    started = state.started or events[0]
    data = end.data if end else {}
    return RunReport(
        run=state.run,
        env=str(started.data.get("env", "")),
        outcome=state.outcome or RunOutcome.UNFINISHED,
        exit_code=int(data.get("exit_code", 5)),
        seconds=round(((end or events[-1]).at - started.at).total_seconds(), 3),
        downtime_seconds=downtime(events),
        steps=tuple(_steps(events, phases_of(started))),
        plan=state.plan,
        started_at=started.at,
        message=str(data.get("message", "")),
        next_command=str(data.get("next_command", "" if end else _next_commands(state))),
        warnings=tuple(dict.fromkeys((*_remarks(events), *data.get("warnings", ())))),
        asked=dict(started.data.get("asked", {})),
        not_notified=tuple(_not_notified(events)),
        saved_rows=saved_rows(state.results),
        signoffs=run_signoffs(events),
        prediction=Prediction.from_json(expected) if (expected := started.data.get("prediction")) else None,
        locks=read_locks((state.results.get("migrate") or {}).get("locks")),
    )


def phase_seconds(run: RunReport) -> dict[str, float]:
    """The time that each phase of a run took, in seconds, by name; its steps came one after another. Pure."""
    phases: dict[str, float] = {}
    for step in run.steps:
        if step.phase and step.outcome != EventKind.SKIPPED:
            phases[step.phase] = round(phases.get(step.phase, 0.0) + step.seconds, 3)
    return phases


def _not_notified(events: Iterable[Event]) -> Iterator[NotNotified]:
    for event in events:
        result = event.data.get("result") if event.event == EventKind.APPLIED else None
        for one in result.get("not_notified", ()) if isinstance(result, Mapping) else ():
            yield NotNotified(str(one["name"]), event.key, str(one["reason"]))


def saved_rows(results: Mapping[str, Any]) -> str | None:
    """The directory in which a run's Actions saved rows before dropping or replacing them, or None. Pure."""
    dropped, restored = results.get("database") or {}, results.get("carts.restore") or {}
    return dropped.get("saved") or restored.get("replaced")


def _remarks(events: Iterable[Event]) -> Iterator[str]:
    """Remarks of reverts about external modifications that they kept, and warnings of Actions."""
    for event in events:
        result = event.data.get("result")
        if event.event == EventKind.APPLIED and isinstance(result, Mapping) and "verdict" not in result:
            yield from (f"{event.key}: {each}" for each in result.get("warnings", ()))
        if event.event == EventKind.RESTORED and event.data.get("message"):
            yield str(event.data["message"])


def downtime(events: Iterable[Event]) -> float | None:
    """Total seconds from requesting maintenance until it was verified to be off; None without maintenance."""
    ended = [(begin, end) for begin, end in maintenance_intervals(events) if end is not None]
    return round(sum((end - begin).total_seconds() for begin, end in ended), 3) if ended else None


def maintenance_intervals(events: Iterable[Event]) -> Iterator[tuple[datetime, datetime | None]]:
    """When maintenance was requested and when it was verified to be off; None while it is on."""
    since = None
    for event in events:
        if event.event == EventKind.INTENDED and event.data.get("kind") == "maintenance":
            since = since or event.at
        elif (
            event.event == EventKind.RESTORED
            and event.data.get("of", event.key) == "maintenance.on"
            and since
        ):
            yield since, event.at
            since = None
    if since:
        yield since, None


def phases_of(started: Event) -> dict[str, str]:
    """Step key → the name of its phase; empty for runs of versions that did not record phases."""
    recorded = started.data.get("phases", {})
    return {key: phase for phase, keys in recorded.items() for key in keys}


def _steps(events: Iterable[Event], phases: Mapping[str, str]) -> Iterator[StepReport]:
    last: dict[str, StepReport] = {}
    for event in events:
        if event.key not in {RUN, STOP, LOCK} and event.event in _ENDS:
            before = last.get(event.key)
            undone = (
                before is not None
                and before.outcome == EventKind.FAILED
                and event.event == EventKind.RESTORED
            )
            outcome = (
                EventKind.FAILED if undone else event.event
            )  # that it was reverted is part of the run's outcome
            failed_before = before.reason if before is not None and undone else ""
            reason = failed_before or str(event.data.get("reason") or event.data.get("message") or "")
            attempt = before.seconds if before is not None and undone else 0.0  # not the revert of it
            seconds = attempt or float(event.data.get("seconds", 0.0))
            last[event.key] = StepReport(event.key, outcome, seconds, reason, phases.get(event.key, ""))
    yield from last.values()


def _next_commands(state: State) -> str:
    if state.plan == "rollback":
        return "cartctl rollback"
    if state.plan == "rollout":
        return "cartctl rollout advance, or cartctl rollout abort"
    return f"cartctl deploy --resume, or cartctl rollback, or cartctl deploy --abandon {state.run}"
