"""The parts of a plan: kinds of step, evidence and verdicts.

A plan is a tuple of steps. A Change moves named external values and can be reverted from its evidence alone; an Action
happens once and cannot be reverted; a Check reads and decides; a Restore reverts an earlier Change.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    """The result of a check. Neither unknown nor not configured counts as pass."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_CONFIGURED = "not_configured"  # nothing to check; decides nothing about the others

    @property
    def exit_code(self) -> int:
        """The exit code of a command with this verdict."""
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
    groups: tuple[Mapping[str, Any], ...] = ()  # similar log messages, as JSON


_WORST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Checks:
    """Check results with totals: the worst as the verdict, counts by verdict, and the seconds that all took together.

    Without any result, or with nothing configured, the verdict is unknown, never pass.
    """

    kind: ClassVar[str] = "checks"
    shown: ClassVar[tuple[str, ...]] = ("verdict", "counts")  # properties that are part of the JSON

    checks: tuple[CheckResult, ...] = ()
    seconds: float | None = None  # null where the checks were not timed together

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of results by verdict, without verdicts that no result has."""
        numbers = {verdict.value: sum(one.verdict is verdict for one in self.checks) for verdict in Verdict}
        return {name: number for name, number in numbers.items() if number}

    @property
    def verdict(self) -> Verdict:
        """The worst verdict: fail, then unknown, warn, pass."""
        verdicts = {check.verdict for check in self.checks}
        return next((verdict for verdict in _WORST if verdict in verdicts), Verdict.UNKNOWN)

    def bad(self) -> list[CheckResult]:
        """The failed and unknown results, failures first."""
        bad = [check for check in self.checks if check.verdict in {Verdict.FAIL, Verdict.UNKNOWN}]
        return sorted(bad, key=lambda check: _WORST.index(check.verdict))

    @classmethod
    def of(cls, checks: Iterable[CheckResult], seconds: float | None = None) -> "Checks":
        """Build from any iterable of results; `seconds` is the time that they took together."""
        return cls(tuple(checks), seconds)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The previous and intended values of a Change, as JSON values; an undo reads nothing else.

    `to` holds every target ever intended, since a resumed step may have a newer one.
    """

    kind: str
    names: tuple[str, ...]
    before: Mapping[str, Any]
    to: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Run:
    """The run as an Action sees it."""

    id: str
    env: str
    started: datetime
    directory: Path  # local, used by this run only
    outcome: str  # "running" until the run has ended
    results: Mapping[
        str, Any
    ]  # Action key → its result, as JSON; a rollback also has those of the reverted run
    cause: str = ""  # why it did not succeed, once it has ended
    next_command: str = ""  # once it has ended


class Change(ABC, Generic[V]):
    """Named external values that can be changed and reverted. Apply is `move(target(before))`, undo is `move(before)`."""

    key: str
    names: tuple[str, ...]
    kind: ClassVar[str]  # stable: the journal finds the class by it
    value: ClassVar[Any]  # V, for pydantic's TypeAdapter
    run: str = ""  # id of the run that moves it, set by the runner; for annotations only, never for decisions

    def show(self, name: str, value: V) -> str:  # noqa: ARG002 - some kinds need the name
        """A value as text, for messages."""
        return str(value)

    def guard(self, to: Mapping[str, V]) -> None:
        """Raise Refused if `move(to)` could not take effect now, whatever its values are. Read-only.

        Called before the first step of a plan, so that the plan does not fail halfway.
        """

    def remarks(self, evidence: "Evidence") -> list[str]:  # noqa: ARG002 - most kinds have none
        """Describe external modifications next to the values, which a revert keeps. Read-only."""
        return []

    @abstractmethod
    def observe(self, names: tuple[str, ...]) -> dict[str, V]:
        """The currently requested values (the specification, not the status). Read-only."""

    @abstractmethod
    def target(self, before: Mapping[str, V]) -> dict[str, V]:
        """The values to move to. Pure; the only method that reads the requested configuration."""

    @abstractmethod
    def move(self, to: Mapping[str, V], pulse: "Pulse") -> None:
        """Set the values and return when they are in effect. Idempotent; reads adapters and `to`, nothing else."""


class Action(ABC, Generic[E]):
    """A step that happens once and cannot be reverted; its id derives from the run's id, so that a resume can find it."""

    key: str
    always: ClassVar[bool] = False  # also performed if the run has failed: announcements of the outcome
    harmless: ClassVar[bool] = False  # does not count as a change of the run
    careful: ClassVar[bool] = (
        False  # only if every earlier step has succeeded, even in a plan that continues after failures
    )

    @abstractmethod
    def find(self, run: Run) -> E | None:
        """The result of an earlier attempt in this run, or None. Read-only."""

    @abstractmethod
    def perform(self, run: Run, pulse: "Pulse") -> E:
        """Perform the action. The result must be JSON."""


class Check(ABC):
    """A step that reads and decides; it changes nothing."""

    key: str
    follows: ClassVar[str] = ""  # the step that it verifies; skipped if that step failed

    @abstractmethod
    def judge(self, pulse: "Pulse") -> Checks:
        """Run the check. Read-only."""

    def facts(self) -> Mapping[str, Any]:
        """What the journal records of a passed check beside its summary, as JSON; called after `judge`."""
        return {}


@dataclass(frozen=True, slots=True)
class Restore:
    """Reverts an earlier Change: `key` is this step, `of` the Change's key.

    With `again`, a later Restore of the same Change runs too; its evidence stays open until then.
    """

    key: str
    of: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """A part of the plan that is skipped, with the reason: not configured, or --skip."""

    key: str
    reason: str


Step: TypeAlias = Change[Any] | Action[Any] | Check | Restore | Skip
