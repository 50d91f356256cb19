"""A rollout as recorded in its runs: the fold of their first and last events, and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

from cartctl.engine.events import EFFECTIVE, RUN, Event, EventKind, RunOutcome
from cartctl.rollout.schedule import Standing

PLAN = "rollout"  # the name of these runs in the journal


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the rollout as the journal records it: what, who, when, and how it ended.

    `stage` is the stage's number, None where it does not change; counts are companies without the internal ones.
    """

    action: str
    why: str = ""
    day: int | None = None
    on: date | None = None
    stage: int | None = None
    name: str = ""
    before: str = ""  # percent
    after: str = ""
    of: str = ""  # companies | beta companies
    allocation: str = ""
    eligible: int = 0
    target: int = 0
    enabled: int = 0
    added: int = 0
    removed: int = 0
    forced: bool = False
    approved_by: str = ""
    start: date | None = None
    frozen: Mapping[str, Any] = field(default_factory=dict)
    gates: Sequence[str] = ()
    undoes: str = ""  # the action that `flags undo` reverted
    run: str = ""
    at: datetime | None = None
    by: str = ""
    outcome: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the journal stores it."""
        record = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in {"run", "at", "by", "outcome"}
        }
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in record.items()
            if value not in ("", None, {}, ())
        }


def read_step(events: Sequence[Event]) -> Step | None:
    """The step that a run's events record; None for a run of another plan."""
    first = next((event for event in events if (event.key, event.event) == (RUN, EventKind.STARTED)), None)
    if first is None or first.data.get("plan") != PLAN:
        return None
    end = next((event for event in events if (event.key, event.event) == (RUN, EventKind.FINISHED)), None)
    request = dict(first.data["asked"])
    known = {one.name for one in fields(Step)}
    recorded = {name: value for name, value in request.items() if name in known}
    recorded |= {name: date.fromisoformat(recorded[name]) for name in ("on", "start") if recorded.get(name)}
    who = f"{first.data.get('user', 'unknown')}@{first.data.get('host', 'unknown')}"
    outcome = str(end.data["outcome"]) if end else RunOutcome.UNFINISHED
    return Step(**{**recorded, "run": first.run, "at": first.at, "by": who, "outcome": outcome})


@dataclass(frozen=True, slots=True)
class Record:
    """The state of the latest rollout, and every step of all rollouts, oldest first."""

    start: date | None = None
    frozen: Mapping[str, Any] = field(default_factory=dict)
    standing: Standing | None = None
    percent: str = "0"
    of: str = "companies"
    history: tuple[Step, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether there is a rollout that has not been aborted."""
        return self.start is not None and self.standing is not None and not self.standing.aborted


def fold(steps: Iterable[Step]) -> Record:
    """The record of steps, oldest first; failed ones only appear in the history."""
    record, history = Record(), tuple(steps)
    for step in history:
        if step.outcome in EFFECTIVE:
            record = _take(record, step)
    return Record(record.start, record.frozen, record.standing, record.percent, record.of, history)


def _take(record: Record, step: Step) -> Record:
    on = step.on or date.min
    percent, of = step.after or record.percent, step.of or record.of
    if step.action == "start":
        return Record(
            step.start, step.frozen, Standing(step.stage if step.stage is not None else -1, on), percent, of
        )
    now = record.standing
    if now is None:
        return Record(percent=percent, of=of)
    stage, entered = (now.stage, now.entered) if step.stage is None else (step.stage, on)
    on_hold = (
        step.why or "no reason given"
        if step.action == "hold"
        else None
        if step.action == "resume"
        else now.held
    )
    aborted = step.action == "abort" or (now.aborted and step.undoes != "abort")
    standing = Standing(stage, entered, on_hold, aborted)
    return Record(record.start, record.frozen, standing, percent, of)
