"""Execute one change of the rollout as a short run with the lock, after finishing an interrupted one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cartctl.engine.events import RUN, Event, EventKind, RunOutcome
from cartctl.engine.lock import Lock, RunLock, hand_over, holder_of
from cartctl.engine.model import Step as PlanStep
from cartctl.engine.outcome import OnFailure
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import RunReport
from cartctl.engine.signals import interruptible
from cartctl.engine.state import State, new_run_id
from cartctl.engine.view import View
from cartctl.plans.execution import step_factories
from cartctl.plans.execution.execute import RunSpec, execute_plan
from cartctl.plans.execution.journals import refuse_unfinished
from cartctl.plans.execution.phases import Phase
from cartctl.plans.rollback.run import STOPS_WITHIN
from cartctl.plans.rollout import checks as rollout_parts
from cartctl.plans.rollout.decisions import Proposal, RolloutOptions, propose_abort, values_for
from cartctl.plans.rollout.inputs import Clock, RolloutInputs, open_inputs
from cartctl.ports import Ports
from cartctl.rollout.document import render
from cartctl.rollout.record import PLAN
from cartctl.steps.flags import Target

Decide = Callable[[RolloutInputs, Pulse], Proposal | None]


def change(
    ports: Ports, decide: Decide, view: View, *, clock: Clock | None = None, wait: float = 2.0
) -> RunReport | None:
    """Take the lock, decide from the current state, and execute; None when there is nothing to do.

    `wait` is how long to wait for another run, in seconds. Raises Locked, Refused, and whatever
    `decide` raises; then nothing was changed.
    """
    pulse = Pulse(progress=view.progress)
    with interruptible(pulse), open_inputs(ports, clock) as inputs:
        state = State(new_run_id())
        with RunLock(ports.state, inputs.journals.owned, state.run, pulse, wait=wait) as lock:
            finish_unfinished(inputs, lock, pulse, view)
            now = replace(inputs)  # read again: earlier values may be outdated
            proposal = decide(now, pulse)
            if proposal is None:
                return None
            return _carry(now, state, proposal, OnFailure.UNDO, lock=lock, pulse=pulse, view=view)


def abort(
    ports: Ports,
    options: RolloutOptions,
    view: View,
    say: Callable[[str], None],
    *,
    clock: Clock | None = None,
) -> RunReport:
    """Set the rollout to 0 % in one write; stops a running run, and works without the database."""
    pulse = Pulse(progress=view.progress)
    with interruptible(pulse), open_inputs(ports, clock, without_database=True) as inputs:
        if inputs.journals.main is None:
            say("The database is unreachable: setting 0 % with the lock of the cluster.")
        else:
            hand_over(
                ports.state, inputs.journals.replicated, pulse, take_over=False, timeout=STOPS_WITHIN, say=say
            )
        state = State(new_run_id())
        with _locked(inputs, state, pulse) as lock:
            _close_unfinished(inputs, state.run)
            proposal = propose_abort(inputs, options)
            return _carry(inputs, state, proposal, OnFailure.SETTLE, lock=lock, pulse=pulse, view=view)


def finish_unfinished(inputs: RolloutInputs, lock: Lock, pulse: Pulse, view: View) -> None:
    """Finish an interrupted rollout run: complete a write that had begun, and nothing else.

    Raises Refused while another plan's run is unfinished.
    """
    state = inputs.journals.unfinished()
    if state is None:
        return
    if state.plan != PLAN:
        refuse_unfinished(inputs.journals)
    evidence = state.evidence.get("flags")
    if evidence is None:
        _end(inputs, state.run, RunOutcome.FAILED, 3, "interrupted before any change")
        return
    step = (step_factories.flags(inputs.ports, "flags", evidence.names, lambda _: dict(evidence.to[-1])),)
    options = state.started.data.get("asked", {}) if state.started else {}
    spec = RunSpec(PLAN, (Phase("1 Flags", "", step),), options=options, next_commands=_next_commands(inputs))
    execute_plan(spec, state, inputs.ports, inputs.journals, lock=lock, pulse=pulse, view=view)


def _carry(
    inputs: RolloutInputs,
    state: State,
    proposal: Proposal,
    on_failure: OnFailure,
    *,
    lock: Lock,
    pulse: Pulse,
    view: View,
) -> RunReport:
    target = _target(proposal)
    steps: tuple[PlanStep, ...] = ()
    if target is not None:
        optional = proposal.step.action == "start"
        steps = (
            step_factories.flags(inputs.ports, "flags", target=target),
            rollout_parts.confirm_flags(inputs.ports, proposal.expected, optional=optional),
        )
    phases = (Phase("1 Flags", "", steps),) if steps else ()
    spec = RunSpec(
        PLAN,
        phases,
        options=proposal.step.to_json(),
        on_failure=on_failure,
        next_commands=_next_commands(inputs),
    )
    return execute_plan(spec, state, inputs.ports, inputs.journals, lock=lock, pulse=pulse, view=view)


def _target(proposal: Proposal) -> Target | None:
    setting, values = proposal.setting, proposal.values
    if values is not None:
        return lambda before: {**before, **values}
    if setting is None:
        return None
    if proposal.step.action == "abort":  # also flags that were set manually or that default to on
        return lambda before: {name: render(setting).get(name) for name in before}
    return lambda before: values_for(setting, before)


@contextmanager
def _locked(inputs: RolloutInputs, state: State, pulse: Pulse) -> Iterator[Lock]:
    if inputs.journals.main is None:
        with inputs.ports.cluster.lease(holder_of(state.run)) as lease:
            yield lease
        return
    with RunLock(inputs.ports.state, inputs.journals.owned, state.run, pulse, wait=2) as lock:
        yield lock


def _close_unfinished(inputs: RolloutInputs, by: str) -> None:
    """Close an interrupted rollout run; a run of another plan stays unfinished."""
    state = inputs.journals.unfinished()
    if state is not None and state.plan == PLAN:
        _end(inputs, state.run, RunOutcome.FAILED, 5, f"aborted by {by}")


def _end(inputs: RolloutInputs, run: str, outcome: str, code: int, message: str) -> None:
    data: Mapping[str, Any] = {"outcome": outcome, "exit_code": code, "message": message}
    inputs.journals.replicated.append(Event(run, datetime.now(UTC), RUN, EventKind.FINISHED, data))


def _next_commands(inputs: RolloutInputs) -> dict[str, str]:
    env = inputs.ports.env.name
    return {
        RunOutcome.SUCCEEDED: f"cartctl rollout status --env {env}",
        "unchanged": f"cartctl flags list --env {env}",
        RunOutcome.ROLLED_BACK: f"cartctl rollout status --env {env}",
        RunOutcome.FAILED: f"cartctl flags list --env {env}, then cartctl rollout abort --env {env}",
        RunOutcome.INCONCLUSIVE: f"cartctl flags list --env {env}",
        RunOutcome.INTERRUPTED: f"cartctl rollout advance --env {env}, or cartctl rollout abort --env {env}",
    }
