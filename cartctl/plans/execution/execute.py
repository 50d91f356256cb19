"""Execute a plan as a run, from its first event to its report; start, resume or undo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cartctl import __version__
from cartctl.engine.events import RUN, Event, EventKind, RunOutcome
from cartctl.engine.lock import Lock, whoami
from cartctl.engine.model import Run
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.prediction import Prediction
from cartctl.engine.pulse import Pulse
from cartctl.engine.remaining import Stopping
from cartctl.engine.report import RunReport, report
from cartctl.engine.runner import NextCommands, Runner
from cartctl.engine.state import State
from cartctl.engine.view import View
from cartctl.errors import Refused
from cartctl.plans.execution.change_registry import kinds
from cartctl.plans.execution.journals import Journals
from cartctl.plans.execution.phases import IN_PLACE, Phase, describe, keys
from cartctl.ports import Ports


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A plan to execute: its name and phases, the facts that must not change on resume, and the next command per outcome."""

    name: str
    phases: Sequence[Phase]
    facts: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    of: str | None = None
    on_failure: OnFailure = OnFailure.UNDO
    next_commands: NextCommands = field(default_factory=dict)
    prediction: Prediction | None = None


def execute_plan(
    spec: RunSpec, state: State, ports: Ports, journals: Journals, *, lock: Lock, pulse: Pulse, view: View
) -> RunReport:
    """Start or resume the run of `state` and report to `view`. Raises Refused when the plan has changed since."""
    first = _first_event(spec, state, ports.env.name)
    rows = [(phase.name, step.key, describe(step)) for phase in spec.phases for step in phase.steps]
    view.started(state.run, rows)
    began = state.started.at if state.started else first.at
    run = Run(
        state.run,
        ports.env.name,
        began,
        ports.run_directory(state.run),
        RunOutcome.RUNNING,
        dict(state.results),
    )
    runner = Runner(
        run,
        state,
        journals.replicated,
        kinds=kinds(ports),
        lock=lock,
        pulse=pulse,
        observe=view.event,
        on_failure=spec.on_failure,
    )
    journals.replicated.append(first)
    state.take(first)
    steps = [step for phase in spec.phases for step in phase.steps]
    next_command = spec.next_commands.get(RunOutcome.INTERRUPTED, "cartctl history")
    going_on = next_command() if callable(next_command) else next_command
    stopping = Stopping(
        state, journals.replicated, IN_PLACE, going_on, lambda: runner.has_changed(steps, at_work=True)
    )
    with stopping.at_once(pulse):
        outcome = runner.execute(steps, spec.next_commands, first)
    ended = _report(journals, state.run, outcome)
    view.finished(ended)
    return ended


def _first_event(spec: RunSpec, state: State, env: str) -> Event:
    at = datetime.now(UTC)
    if state.started is not None:
        refuse_changed(state, spec.facts)
        before = {"plan": spec.name, "env": env, "done": sorted(state.done), **whoami()}
        return Event(state.run, at, RUN, EventKind.RESUMED, before)
    phases = {phase.name: keys([phase]) for phase in spec.phases}
    inputs = {"facts": dict(spec.facts), "asked": dict(spec.options), "phases": phases}
    inherited = {"of": spec.of, "evidence": state.held()}
    expected = {"prediction": spec.prediction.to_json()} if spec.prediction else {}
    data = {
        "plan": spec.name,
        "env": env,
        **inherited,
        **inputs,
        **expected,
        "version": __version__,
        **whoami(),
    }
    return Event(state.run, at, RUN, EventKind.STARTED, data)


def _report(journals: Journals, run: str, outcome: Outcome) -> RunReport:
    return replace(
        report(journals.replicated.events(run)),
        outcome=outcome.word,
        exit_code=outcome.exit_code,
        message=outcome.message,
        next_command=outcome.next_command,
    )


def refuse_changed(state: State, facts: Mapping[str, Any]) -> None:
    """Raise Refused, with the differences, when the plan is not the one the run began with."""
    previous = state.started.data.get("facts", {}) if state.started else {}
    changed = [name for name in sorted({*previous, *facts}) if previous.get(name) != facts.get(name)]
    if changed:
        differences = "; ".join(f"{name} was {previous.get(name)}, is {facts.get(name)}" for name in changed)
        raise Refused(
            f"The plan has changed since run {state.run} began: {differences}.",
            hint=f"Restore the previous plan, or use: cartctl rollback, or cartctl deploy --abandon {state.run}",
        )
