"""What a plan is made of: four kinds of step, their evidence and their verdicts.

A plan is a tuple of steps. A Change moves named outside values and can be put back from evidence alone; an Action makes
one thing and is never taken back; a Check looks and judges; a Restore puts an earlier Change back.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from cartctl.errors import CheckFailed, Inconclusive

if TYPE_CHECKING:
    from cartctl.engine.pulse import Pulse

V = TypeVar("V")
E = TypeVar("E")


class Verdict(StrEnum):
    """What a check found. Unknown is never pass."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> int:
        """How a command ends that found this."""
        if self is Verdict.FAIL:
            return CheckFailed.exit_code
        return Inconclusive.exit_code if self is Verdict.UNKNOWN else 0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check: what was observed, what was expected, and a hint when they differ."""

    name: str
    verdict: Verdict
    observed: Any = None
    expected: Any = None
    hint: str = ""
    seconds: float = 0.0
    attempts: tuple[Any, ...] = ()


_WORST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Checks:
    """Check results, with the worst as the verdict; without any result the verdict is unknown, never pass."""

    kind: ClassVar[str] = "checks"
    shown: ClassVar[tuple[str, ...]] = ("verdict",)  # properties that are part of the JSON

    checks: tuple[CheckResult, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst verdict: fail, then unknown, warn, pass."""
        verdicts = {check.verdict for check in self.checks}
        return next((verdict for verdict in _WORST if verdict in verdicts), Verdict.UNKNOWN)

    def bad(self) -> list[CheckResult]:
        """Those that failed or could not be known, failures first."""
        bad = [check for check in self.checks if check.verdict in {Verdict.FAIL, Verdict.UNKNOWN}]
        return sorted(bad, key=lambda check: _WORST.index(check.verdict))

    @classmethod
    def of(cls, checks: Iterable[CheckResult]) -> "Checks":
        """Checks from any iterable of results."""
        return cls(tuple(checks))


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's history: a journal row, an NDJSON line, a line of the live view and of the report."""

    kind: ClassVar[str] = "event"

    run: str
    at: datetime
    key: str
    event: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a Change will move and from where, as JSON values: all that an undo may read.

    `to` holds every target ever intended, since a resumed step may ask for a newer one.
    """

    kind: str
    names: tuple[str, ...]
    before: Mapping[str, Any]
    to: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What an Action may know of the run it belongs to."""

    id: str
    env: str
    started: datetime
    directory: Path  # local, of this run alone
    outcome: str  # "running" until the run has an end to tell of
    results: Mapping[
        str, Any
    ]  # Action key → what it made, as JSON; an earlier run's are under this one's when it is taken back


class Change(ABC, Generic[V]):
    """Named outside values, moved and put back. Apply is `move(target(before))`, undo is `move(before)`."""

    key: str
    names: tuple[str, ...]
    kind: ClassVar[str]  # stable: the journal finds the class by it
    value: ClassVar[Any]  # V, for pydantic's TypeAdapter
    run: str = (
        ""  # the id of the run that moves it, set by the runner: for what others read, never for a decision
    )

    def show(self, name: str, value: V) -> str:  # noqa: ARG002 - for those whose values need their name
        """A value in words, for messages."""
        return str(value)

    def guard(self, to: Mapping[str, V]) -> None:
        """Raise Refused when `move(to)` could not take effect now, whatever its values are. Read-only.

        Called before the first step of a plan, so that it does not stop in the middle.
        """

    def remarks(self, evidence: "Evidence") -> list[str]:  # noqa: ARG002 - most change nothing beside their values
        """What others have changed beside the values since, which a revert keeps, in words. Read-only."""
        return []

    @abstractmethod
    def observe(self, names: tuple[str, ...]) -> dict[str, V]:
        """What is asked for now, not what has happened yet. Read-only."""

    @abstractmethod
    def target(self, before: Mapping[str, V]) -> dict[str, V]:
        """What to move to. Pure, and the only verb that reads what is wanted."""

    @abstractmethod
    def move(self, to: Mapping[str, V], pulse: "Pulse") -> None:
        """Make it so and return when it is in effect. Idempotent; reads adapters and `to`, nothing else."""


class Action(ABC, Generic[E]):
    """Makes one thing that is never taken back; its id derives from the run's, so that it is found again."""

    key: str
    always: ClassVar[bool] = False  # also performed when the run has failed: announcements of the outcome
    harmless: ClassVar[bool] = False  # a run that has done no more than this has changed nothing
    careful: ClassVar[bool] = (
        False  # only when every step before it has succeeded, also in a plan that goes on
    )

    @abstractmethod
    def find(self, run: Run) -> E | None:
        """What an earlier attempt of this run made already, or None. Read-only."""

    @abstractmethod
    def perform(self, run: Run, pulse: "Pulse") -> E:
        """Make it. The result must be JSON."""


class Check(ABC):
    """Looks and judges; changes nothing."""

    key: str
    follows: ClassVar[str] = ""  # the step whose work it judges: skipped where that one failed

    @abstractmethod
    def judge(self, pulse: "Pulse") -> Checks:
        """What was found. Read-only."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Puts an earlier Change back: `key` is this step, `of` the Change's key.

    With `again` a later Restore moves it once more, since it will see what this one cannot; until then it is not done with.
    """

    key: str
    of: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """A part of the plan that does not take place, and why: "not configured", or asked for with --skip."""

    key: str
    reason: str


Step: TypeAlias = Change[Any] | Action[Any] | Check | Restore | Skip
