"""The commands of `cartctl rollout`; each decides with the lock held, from the current state."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import ClassVar

from cartctl.engine.model import Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import RunReport
from cartctl.engine.view import View
from cartctl.errors import CheckFailed, Inconclusive, Refused
from cartctl.plans.rollout import checks as rollout_parts
from cartctl.plans.rollout.decisions import (
    Proposal,
    RolloutOptions,
    propose_abort,
    propose_hold_or_resume,
    propose_percent,
    propose_stage,
    propose_start,
)
from cartctl.plans.rollout.inputs import Clock, RolloutInputs
from cartctl.plans.rollout.run import change
from cartctl.ports import Ports

ADVANCE_WAIT = 60.0  # seconds that a second `advance --auto` waits for the first


@dataclass(frozen=True, slots=True)
class RolloutUnchanged:
    """A rollout command that changed nothing, with the reason."""

    kind: ClassVar[str] = "unmoved"

    why: str


def start(
    ports: Ports, begin: date | None, options: RolloutOptions, view: View, *, clock: Clock | None = None
) -> RunReport | None:
    """Start a rollout. Raises what `propose_start` raises."""
    return change(ports, lambda inputs, _: propose_start(inputs, begin, options), view, clock=clock)


def set_percent(
    ports: Ports, percent: Decimal, options: RolloutOptions, view: View, *, clock: Clock | None = None
) -> RunReport | None:
    """Set a percentage outside the schedule. Raises what `propose_percent` raises."""
    return change(ports, lambda inputs, _: propose_percent(inputs, percent, options), view, clock=clock)


def say(
    ports: Ports, action: str, options: RolloutOptions, view: View, *, clock: Clock | None = None
) -> RunReport | None:
    """Hold or resume the rollout. Raises what `propose_hold_or_resume` raises."""
    return change(ports, lambda inputs, _: propose_hold_or_resume(inputs, action, options), view, clock=clock)


def advance(
    ports: Ports,
    options: RolloutOptions,
    view: View,
    *,
    expected: int | None = None,
    clock: Clock | None = None,
) -> RunReport | None:
    """Enter the stage that is due, or with `force` the next one, ignoring schedule and gates.

    `expected` is the confirmed stage. Raises Refused with the reason and the date when nothing is due, CheckFailed
    or Inconclusive for a gate.
    """

    def decide(inputs: RolloutInputs, pulse: Pulse) -> Proposal:
        index = next_stage(inputs, force=options.force)
        if expected is not None and index != expected:
            raise Refused(
                "Another run has advanced the rollout in the meantime.", hint="See: cartctl rollout status"
            )
        if options.force:
            return propose_stage(inputs, index, options, None)
        gates, fired = check_gates(inputs, pulse)
        if fired:
            raise CheckFailed(f"Trigger {fired} has fired.", hint="Abort the rollout: cartctl rollout abort")
        _pass(gates)
        return propose_stage(inputs, index, options, gates)

    return change(ports, decide, view, clock=clock)


def advance_automatically(
    ports: Ports, view: View, report: Callable[[str], None], *, clock: Clock | None = None
) -> RunReport | None:
    """Do what is due, or return None and report why not; a fired trigger aborts the rollout on any day.

    Safe to run twice and from two places. Raises CheckFailed or Inconclusive when a gate blocks a due stage.
    """

    def decide(inputs: RolloutInputs, pulse: Pulse) -> Proposal | None:
        if not inputs.record.under_way:
            report("Nothing to do: no rollout has started.")
            return None
        due = inputs.schedule.due(inputs.standing, inputs.clock())
        if due.stage is None and not inputs.already:
            report(_not_due(due.why, due.on))
            return None
        gates, fired = check_gates(inputs, pulse, triggers_only=due.stage is None)
        if fired and inputs.already:
            return propose_abort(inputs, RolloutOptions(f"the trigger {fired} has fired"))
        if due.stage is None:
            report(_not_due(due.why, due.on))
            return None
        if (stage := inputs.stages[due.stage]).signoff:
            report(
                f"Nothing done: {stage.name} requires approval: cartctl rollout advance --approved-by NAME"
            )
            return None
        _pass(gates)
        return propose_stage(inputs, due.stage, RolloutOptions("its day has come"), gates)

    return change(ports, decide, view, clock=clock, wait=ADVANCE_WAIT)


def next_stage(inputs: RolloutInputs, *, force: bool = False) -> int:
    """The stage to enter now; `force` ignores the schedule. Raises Refused with the reason when there is none."""
    standing = inputs.standing
    if not force:
        due = inputs.schedule.due(standing, inputs.clock())
        if due.stage is None:
            raise Refused(_not_due(due.why, due.on), hint="See the schedule: cartctl rollout status")
        return due.stage
    if standing.aborted or standing.stage + 1 >= len(inputs.stages):
        why = "the rollout was aborted" if standing.aborted else "every stage is complete"
        raise Refused(f"No next stage: {why}.", hint="See: cartctl rollout status")
    return standing.stage + 1


def check_gates(inputs: RolloutInputs, pulse: Pulse, *, triggers_only: bool = False) -> tuple[Checks, str]:
    """Check the gates; return their results and the fired trigger, if any. Read-only."""
    gates = rollout_parts.gates(inputs)
    with closing(gates):
        if triggers_only:
            gates.sample(pulse)
            return Checks(), gates.fired
        return gates.judge(pulse), gates.fired


def _pass(checks: Checks) -> None:
    bad = checks.bad()
    if not bad:
        return
    reasons = "; ".join(f"{one.name}: {one.observed}" for one in bad)
    kind = CheckFailed if checks.verdict is Verdict.FAIL else Inconclusive
    hint = (
        next((one.hint for one in bad if one.hint), "")
        or "Fix that and advance again, or: cartctl rollout hold"
    )
    raise kind(f"A gate blocks the next stage: {reasons}.", hint=hint)


def _not_due(why: str, on: date | None) -> str:
    when = f"; the next stage can be entered on {on}" if on and str(on) not in why else ""
    return f"Nothing is due: {why}{when}."
