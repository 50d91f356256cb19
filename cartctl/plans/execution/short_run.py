"""A run of one or two Actions, with the lock and the journal of every run, and resumed after a kill.

Separate from the plans: it needs neither cluster nor monitor, so that a DBA can run it with a database alone.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cartctl import __version__
from cartctl.engine.events import RUN, Applied, Event, EventKind, Failed, Finished, RunOutcome
from cartctl.engine.lock import RunLock, whoami
from cartctl.engine.model import Action, Run
from cartctl.engine.pulse import Pulse
from cartctl.engine.signals import stopped
from cartctl.engine.state import State, new_run_id
from cartctl.errors import CartctlError, OperatorNeeded, Refused, as_error
from cartctl.plans.execution.journals import CONTINUE_WITH, Journals, open_journals, refuse_unfinished
from cartctl.ports import Ports


def short_run(ports: Ports, name: str, actions: Sequence[Action[Any]], pulse: Pulse) -> dict[str, Any]:
    """Execute `actions` in order as a run of the plan `name`; return their results by key.

    Raises Refused while another plan's run is unfinished, Locked while one is running, and what an Action raises, which
    ends the run.
    """
    with open_journals(ports, without_cluster=True) as journals:
        state = _begun(journals, name) or State(new_run_id())
        with RunLock(ports.state, journals.owned, state.run, pulse) as lock:
            if state.started is None:
                refuse_unfinished(journals)
                beginning = {"plan": name, "env": ports.env.name, "version": __version__, **whoami()}
                _tell(journals, state, RUN, EventKind.STARTED, beginning)
            try:
                _take_all(ports, actions, pulse, journals, state, lock)
            except Exception as failure:
                ended = _ended_by(failure, actions, state)
                end = Finished(
                    outcome=RunOutcome.FAILED,
                    exit_code=ended.exit_code,
                    message=ended.message,
                    hint=ended.hint,
                )
                with suppress(Exception):  # report the first error, not a failed record of it
                    _tell(journals, state, RUN, EventKind.FINISHED, end)
                raise ended from failure
            except KeyboardInterrupt:
                raise stopped(
                    f"Stopped during {pulse.doing}, which is atomic: it was applied completely or not at all.",
                    hint=f"Next: {CONTINUE_WITH.get(name, 'cartctl history')}",
                ) from None
            end = Finished(outcome=RunOutcome.SUCCEEDED, exit_code=0, message="")
            _tell(journals, state, RUN, EventKind.FINISHED, end)
        return dict(state.results)


def _take_all(
    ports: Ports,
    actions: Sequence[Action[Any]],
    pulse: Pulse,
    journals: Journals,
    state: State,
    lock: RunLock,
) -> None:
    directory = ports.run_directory(state.run)
    run = Run(
        state.run, ports.env.name, datetime.now(UTC), directory, RunOutcome.RUNNING, dict(state.results)
    )
    for action in actions:
        if action.key not in state.done:
            pulse.doing = action.key
            lock.confirm()
            _take(action, run, pulse, journals, state)
            run = replace(run, results=dict(state.results))


def _take(action: Action[Any], run: Run, pulse: Pulse, journals: Journals, state: State) -> None:
    began = time.monotonic()
    try:
        existing = action.find(run)
        result = action.perform(run, pulse) if existing is None else existing
    except Exception as failure:
        error = as_error(failure)
        reason = Failed(code=error.code, message=error.message, hint=error.hint)
        _tell(journals, state, action.key, EventKind.FAILED, reason)
        raise
    applied = Applied(seconds=round(time.monotonic() - began, 3), result=result)
    _tell(journals, state, action.key, EventKind.APPLIED, applied)


def _ended_by(failure: Exception, actions: Sequence[Action[Any]], state: State) -> CartctlError:
    """The error that ended the run; a refusal means that nothing changed, so it is not one after an earlier Action."""
    error = as_error(failure)
    applied = [action.key for action in actions if action.key in state.done and not action.harmless]
    if applied and error.exit_code == Refused.exit_code:
        return OperatorNeeded(f"{error.message} Done before: {', '.join(applied)}.", hint=error.hint)
    return error


def _begun(journals: Journals, name: str) -> State | None:
    """An interrupted run of this plan, to resume: each of its Actions is atomic."""
    unfinished = journals.unfinished()
    return unfinished if unfinished is not None and unfinished.plan == name else None


def _tell(journals: Journals, state: State, key: str, event: EventKind, data: Mapping[str, Any]) -> None:
    entry = Event(state.run, datetime.now(UTC), key, event, data)
    journals.replicated.append(entry)
    state.take(entry)
