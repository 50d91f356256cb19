"""Preview a plan: each step with its current values, its changes, and what a guard would refuse. Read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from cartctl.engine.evidence import dump, guard_revert, load
from cartctl.engine.model import Change, Evidence, Restore, Skip, Step
from cartctl.engine.prediction import Prediction
from cartctl.engine.runner import Kinds
from cartctl.errors import CartctlError, Refused
from cartctl.plans.execution.phases import Phase, describe

CODE = ("release", "revision")  # kinds of Change that decide which code runs


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One step: its description and, for a change, the current and the new values.

    `moves` describes the change where the values are not readable, such as hashes. `refused` is a guard's reason against it; empty when allowed.
    """

    phase: str
    offset: str
    key: str
    does: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    note: str = ""
    refused: str = ""
    moves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan with its steps; `blocked` are the reasons why the run would be refused; a deployment has a `prediction`."""

    kind: ClassVar[str] = "plan"

    name: str
    env: str
    rows: tuple[PlanRow, ...]
    blocked: tuple[str, ...] = ()
    prediction: Prediction | None = None

    def refuse_blocked(self) -> None:
        """Raise Refused when only part of the code could be reverted: that would leave a mix of versions."""
        if self.blocked:
            raise Refused(" ".join(self.blocked), hint="Fix that, then run the command again.")


def preview(
    name: str,
    env: str,
    phases: Sequence[Phase],
    evidence: Mapping[str, Evidence] | None = None,
    kinds: Kinds | None = None,
) -> Plan:
    """Observe every Change and show what it would change; `evidence` is what Restores would revert, rebuilt by `kinds`.

    The guards are those of the run. Read-only; a row notes what cannot be observed.
    """
    recorded = evidence or {}
    steps = [(phase, step) for phase in phases for step in phase.steps]
    rows = tuple(_row(phase, step, recorded, kinds or {}) for phase, step in steps)
    blocked = [
        row.refused
        for row, (_, step) in zip(rows, steps, strict=True)
        if row.refused and _is_code(step, recorded)
    ]
    return Plan(name, env, rows, tuple(dict.fromkeys(blocked)))


def _is_code(step: Step, recorded: Mapping[str, Evidence]) -> bool:
    if isinstance(step, Restore):
        return step.of in recorded and recorded[step.of].kind in CODE
    return isinstance(step, Change) and step.kind in CODE


def _row(phase: Phase, step: Step, recorded: Mapping[str, Evidence], kinds: Kinds) -> PlanRow:
    row = (phase.name, phase.offset, step.key, describe(step))
    match step:
        case Skip():
            return PlanRow(*row[:3], does="", note=step.reason)
        case Restore() if step.of in recorded and recorded[step.of].kind in kinds:
            return _restored(row, step, recorded[step.of], kinds)
        case Restore() if recorded:
            return PlanRow(*row, note="nothing to revert")
        case Change():
            return _changed(row, step)
        case _:
            return PlanRow(*row)


def _restored(row: tuple[str, str, str, str], step: Restore, evidence: Evidence, kinds: Kinds) -> PlanRow:
    """What reverting would change from the current values, after the guard of an undo."""
    change = kinds[evidence.kind](step.of, evidence.names)
    refused, remarks = "", list[str]()
    try:
        remarks = guard_revert(change, evidence)
    except Refused as guard:
        refused = f"{guard.message} {guard.hint}".strip()
    except CartctlError as unknown:
        return PlanRow(*row, note=unknown.message)
    moved = _moved(row, change, load(change, evidence.before), refused)
    return replace(moved, note="; ".join(text for text in (moved.note, *remarks) if text))


def _changed(row: tuple[str, str, str, str], change: Change[Any]) -> PlanRow:
    return _moved(row, change, None, "")


def _moved(
    row: tuple[str, str, str, str], change: Change[Any], to: Mapping[str, Any] | None, refused: str
) -> PlanRow:
    """A Change from the current values to `to`, or to its own target."""
    try:
        now = change.observe(change.names)
        after = change.target(now) if to is None else to
        change.guard(after)
    except Refused as guard:
        return PlanRow(*row, refused=refused or f"{guard.message} {guard.hint}".strip())
    except CartctlError as unknown:
        return PlanRow(*row, note=unknown.message, refused=refused)
    same = all(after.get(name) == value for name, value in now.items())
    before = dump(change, now)
    return PlanRow(
        *row,
        before=before,
        after=before if same else dump(change, after),
        note="unchanged" if same else "",
        refused=refused,
    )
