"""What a plan would do now: each step with what is so and what would change. Read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cartctl.engine.evidence import dump
from cartctl.engine.model import Change, Evidence, Restore, Skip, Step
from cartctl.errors import CartctlError
from cartctl.plans.phases import Phase, describe


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One step: what it does, and for a Change the values now and those it would ask for."""

    phase: str
    offset: str
    key: str
    does: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as `cartctl plan` shows it."""

    kind: ClassVar[str] = "plan"

    name: str
    env: str
    rows: tuple[PlanRow, ...]


def preview(
    name: str, env: str, phases: Sequence[Phase], evidence: Mapping[str, Evidence] | None = None
) -> Plan:
    """Observe every Change and say what it would move; `evidence` is what Restores would put back.

    Read-only; what cannot be observed is said in the row.
    """
    rows = (_row(phase, step, evidence or {}) for phase in phases for step in phase.steps)
    return Plan(name, env, tuple(rows))


def _row(phase: Phase, step: Step, evidence: Mapping[str, Evidence]) -> PlanRow:
    row = (phase.name, phase.offset, step.key, describe(step))
    match step:
        case Skip():
            return PlanRow(*row[:3], does="", note=step.reason)
        case Restore() if step.of in evidence:
            held = evidence[step.of]
            return PlanRow(*row, before=dict(held.to[-1]), after=dict(held.before))
        case Change():
            try:
                before = step.observe(step.names)
                after = step.target(before)
            except CartctlError as unknown:
                return PlanRow(*row, note=unknown.message)
            now = dump(step, before)
            if before == after:
                return PlanRow(*row, before=now, after=now, note="already so")
            return PlanRow(*row, before=now, after=dump(step, after))
        case _:
            return PlanRow(*row)
