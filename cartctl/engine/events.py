"""The events of a run: their kinds, their payloads, and the outcomes with which a run ends.

Journals, the report, the live view, NDJSON and the watcher share these. The values are an interface: journals of earlier
versions hold them, so none is ever renamed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypedDict

RUN = "run"  # the key of events that concern the whole run
STOP = "stop"  # the key of requests from other processes
LOCK = "lock"  # the key of events of the run lock


class EventKind(StrEnum):
    """What an event says of its step, of the run (key `run`), of a stop request (`stop`) or of the lock (`lock`)."""

    STARTED = "started"
    RESUMED = "resumed"
    INTENDED = "intended"  # a Change's evidence, durable before its first effect
    APPLIED = "applied"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDOING = "undoing"  # the run rolls back, durable before the first undo
    RESTORED = "restored"
    UNDO_FAILED = "undo_failed"
    INTERRUPTED = "interrupted"  # the run has stopped and can be resumed
    FINISHED = "finished"
    REQUESTED = "requested"  # another process wants the run to stop; of sign-offs: approvals are requested
    ACKNOWLEDGED = "acknowledged"
    ACQUIRED = "acquired"
    FORCED = "forced"  # somebody released the lock of a running run
    SIGNED = "signed"  # somebody approved in a role
    ATTESTED = "attested"
    BEGAN = "began"  # shown, not journalled
    REVERTING = "reverting"  # shown, not journalled


class RunOutcome(StrEnum):
    """How a run ended, or its condition while it has not."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    UNFINISHED = "unfinished"
    UNREADABLE = "unreadable"  # its journal is damaged

    @property
    def exit_code(self) -> int:
        """The exit code of a command whose run ended so; a failed or interrupted one may have a more exact one."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    RunOutcome.SUCCEEDED: 0,
    RunOutcome.ROLLED_BACK: 4,
    RunOutcome.FAILED: 5,
    RunOutcome.INCONCLUSIVE: 6,
    RunOutcome.INTERRUPTED: 130,
    RunOutcome.RUNNING: 5,
    RunOutcome.UNFINISHED: 5,
    RunOutcome.UNREADABLE: 6,
}
EFFECTIVE = frozenset({RunOutcome.SUCCEEDED, RunOutcome.INCONCLUSIVE})  # the run's changes are in place


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's history: a journal row, an NDJSON line, a line of the live view and of the report.

    `event` is an `EventKind`; a text that this version does not know is kept as it is.
    """

    kind: ClassVar[str] = "event"

    run: str
    at: datetime
    key: str
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Intended(TypedDict):
    """A Change's evidence: the previous and the intended values by name, as JSON values."""

    kind: str
    names: list[str]
    before: Mapping[str, Any]
    to: Mapping[str, Any]


class Applied(TypedDict, total=False):
    """The end of a step: its result, as JSON values, and its seconds."""

    result: Any
    seconds: float


class Restored(TypedDict, total=False):
    """A reverted Change: `of` names it where a step of its own reverted it, once more with `again`; `message` has remarks."""

    of: str
    again: bool
    message: str
    seconds: float


class Failed(TypedDict):
    """Why a step failed; also recorded are its `seconds` and, for a check, `checks` with each of its results."""

    code: str
    message: str
    hint: str


class UndoFailed(TypedDict):
    """Why a Change could not be reverted."""

    message: str
    hint: str


class Finished(TypedDict, total=False):
    """How the run ended, with the command to run next."""

    outcome: str
    exit_code: int
    message: str
    hint: str
    next_command: str
