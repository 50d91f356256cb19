"""A plan of one or two Actions, with the lock and the journal of every run, and resumed after a kill.

It needs neither cluster nor monitor, so that a DBA can run it with a database alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cartctl import __version__
from cartctl.engine.events import RUN, Event, EventKind, RunOutcome
from cartctl.engine.lock import RunLock, whoami
from cartctl.engine.model import Action, Run
from cartctl.engine.outcome import OnFailure
from cartctl.engine.pulse import Pulse
from cartctl.engine.runner import Runner
from cartctl.engine.signals import stopped
from cartctl.engine.state import State, new_run_id
from cartctl.errors import OperatorNeeded
from cartctl.plans.execution.journals import CONTINUE_WITH, Journals, open_journals, refuse_unfinished
from cartctl.ports import Ports


def short_run(ports: Ports, name: str, actions: Sequence[Action[Any]], pulse: Pulse) -> dict[str, Any]:
    """Execute `actions` in order as a run of the plan `name`; return their results by key.

    Raises Refused while another plan's run is unfinished, Locked while one is running, and what an Action raises, which
    ends the run.
    """
    with open_journals(ports, without_cluster=True) as journals:
        state = _unfinished(journals, name) or State(new_run_id())
        with RunLock(ports.state, journals.owned, state.run, pulse) as lock:
            if state.started is None:
                refuse_unfinished(journals)
            try:
                _execute(ports, name, actions, journals, state, lock, pulse)
            except KeyboardInterrupt:
                raise stopped(
                    f"Stopped during {pulse.doing}, which is atomic: it was applied completely or not at all.",
                    hint=f"Next: {CONTINUE_WITH.get(name, 'cartctl history')}",
                ) from None
        return dict(state.results)


def _execute(
    ports: Ports,
    name: str,
    actions: Sequence[Action[Any]],
    journals: Journals,
    state: State,
    lock: RunLock,
    pulse: Pulse,
) -> None:
    """Start or resume the run of `state`. Raises what ended it."""
    first = _first_event(name, ports.env.name, state)
    began = state.started.at if state.started else first.at
    directory = ports.run_directory(state.run)
    run = Run(state.run, ports.env.name, began, directory, RunOutcome.RUNNING, dict(state.results))
    runner = Runner(
        run,
        state,
        journals.replicated,
        kinds={},  # Actions alone: nothing is ever reverted
        lock=lock,
        pulse=pulse,
        observe=lambda _: None,
        on_failure=OnFailure.STOP,
    )
    journals.replicated.append(first)
    state.take(first)
    outcome = runner.execute(actions, {}, first)
    if outcome.exit_code:
        failure = runner.failure
        if failure is None or failure.exit_code != outcome.exit_code:
            failure = OperatorNeeded(outcome.message, hint="cartctl history")
        raise failure


def _first_event(name: str, env: str, state: State) -> Event:
    at, who = datetime.now(UTC), {"plan": name, "env": env, **whoami()}
    if state.started is None:
        return Event(state.run, at, RUN, EventKind.STARTED, {**who, "version": __version__})
    return Event(state.run, at, RUN, EventKind.RESUMED, {**who, "done": sorted(state.done)})


def _unfinished(journals: Journals, name: str) -> State | None:
    """An interrupted run of this plan, to resume: each of its Actions is atomic."""
    unfinished = journals.unfinished()
    return unfinished if unfinished is not None and unfinished.plan == name else None
