"""A run's state, folded from its events."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from cartctl.engine.events import Event, EventKind
from cartctl.engine.model import Evidence


def new_run_id() -> str:
    """An id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(slots=True)
class State:
    """The state of a run. Build it with `fold`."""

    run: str
    started: Event | None = None
    evidence: dict[str, Evidence] = field(default_factory=dict)  # Changes intended and not reverted, in order
    done: dict[str, str] = field(default_factory=dict)  # step key → the event that ended it
    results: dict[str, Any] = field(default_factory=dict)  # Action key → its result
    touched: dict[str, Evidence] = field(
        default_factory=dict
    )  # all of its own intended Changes, reverted or not
    undoing: bool = False
    undo_failed: dict[str, str] = field(default_factory=dict)
    failed: str | None = None  # why the run rolled back
    outcome: str | None = None

    @property
    def plan(self) -> str:
        """`deploy`, `rollback` or another plan's name."""
        return str(self.started.data["plan"]) if self.started else "unknown"

    @property
    def of(self) -> str | None:
        """The run that this one rolls back."""
        return self.started.data.get("of") if self.started else None

    @property
    def inherited(self) -> dict[str, Evidence]:
        """The evidence that a rollback started with, including what it has reverted since; before it starts, its current evidence."""
        if self.started is None:
            return dict(self.evidence)
        return {key: _to_evidence(values) for key, values in self.started.data.get("evidence", {}).items()}

    @property
    def finished(self) -> bool:
        """Whether the run has ended; its state no longer changes then."""
        return self.outcome is not None

    def take(self, event: Event) -> None:
        """Apply one more event."""
        match event.key, event.event:
            case _ if self.finished:
                return
            case "run", EventKind.STARTED:
                self.started = event
                self.evidence |= {
                    key: _to_evidence(values) for key, values in event.data.get("evidence", {}).items()
                }
            case "run", EventKind.UNDOING:
                self.undoing, self.failed = True, str(event.data.get("cause", ""))
            case "run", EventKind.FINISHED:
                self.outcome = str(event.data["outcome"])
            case _, EventKind.INTENDED:
                self._intend(event.key, event.data)
            case _, EventKind.APPLIED | EventKind.SKIPPED:
                self.done[event.key] = event.event
                self.results[event.key] = event.data.get("result")
            case _, EventKind.RESTORED:
                self._restore(event)
            case _, EventKind.UNDO_FAILED:
                self.undo_failed[event.key] = str(event.data.get("message", ""))

    def inherit(self, earlier: "State") -> None:
        """Take over another run's open evidence and results."""
        self.evidence = {**earlier.evidence, **self.evidence}
        self.results = {**earlier.results, **self.results}

    def held(self) -> dict[str, Any]:
        """The open evidence as JSON, for the first event of the run that inherits it."""
        return {key: asdict(evidence) for key, evidence in self.evidence.items()}

    def _intend(self, key: str, data: Mapping[str, Any]) -> None:
        known = self.evidence.get(key)
        targets = (*(known.to if known else ()), data["to"])
        before = known.before if known else data["before"]
        self.touched[key] = _to_evidence({**data, "before": before, "to": targets})
        self.evidence[key] = self.touched[key]

    def _restore(self, event: Event) -> None:
        of = event.data.get("of", event.key)
        if event.data.get("again"):
            self.done[event.key] = event.event
            return
        self.evidence.pop(of, None)
        self.undo_failed.pop(of, None)
        if of == event.key:
            self.done.pop(of, None)  # an undone step may run again
        else:
            self.done[event.key] = event.event


def _to_evidence(values: Mapping[str, Any]) -> Evidence:
    """Evidence from JSON. Raises KeyError or TypeError if malformed, because an undo depends on it."""
    evidence = Evidence(values["kind"], tuple(values["names"]), values["before"], tuple(values["to"]))
    texts, objects = (evidence.kind, *evidence.names), (evidence.before, *evidence.to)
    if not all(isinstance(each, str) for each in texts) or not all(
        isinstance(each, Mapping) for each in objects
    ):
        raise TypeError(values)
    return evidence


def fold(run: str, events: Iterable[Event]) -> State:
    """The state of `run` after its events."""
    state = State(run)
    for event in events:
        state.take(event)
    return state
