"""Select the run to roll back: the newest deployment that changed something, or the named one."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

from cartctl.config.keys import did_you_mean_id
from cartctl.engine.events import EFFECTIVE, RunOutcome
from cartctl.engine.model import Evidence
from cartctl.engine.state import State
from cartctl.errors import Refused
from cartctl.plans.execution.journals import Journals

PLANS = ("deploy", "migrate")  # plans whose runs can be rolled back


class AlreadyReverted(Refused):
    """The run was reverted before, by itself or by a rollback."""

    code = "already_reverted"


def select(journals: Journals, run: str | None) -> State:
    """The run named, or the newest deployment that changed something. Read-only.

    Raises AlreadyReverted, naming the run that is still in effect, and Refused when there is nothing to roll back.
    """
    if run is not None:
        named = named_run(journals, run)
        by = next((by for known, by in _reversible(journals) if known.run == run), None)
        _refuse_reverted(journals, named, by, f"Run {run}{of_time(named)}")
        return named
    for state, by in _deployments(journals):
        if _changed_something(state, by):
            _refuse_reverted(journals, state, by, f"The latest deployment {state.run}{of_time(state)}")
            return state
    raise Refused("No deployment has changed anything: nothing to roll back.", hint="See: cartctl history")


def with_tables(journals: Journals, run: str) -> State:
    """The run with this id, for a rollback with its tables; its code may already be reverted. Read-only.

    Raises AlreadyReverted where a rollback with `--database` succeeded, and what `named_run` raises.
    """
    named = named_run(journals, run)
    later = map(journals.state, takewhile(lambda known: known != run, journals.replicated.runs()))
    dropped = (state for state in later if state.plan == "rollback" and _dropped(state))
    by = next((state.run for state in dropped if _reverts(state, named)), None)
    if by is not None:
        _refuse_reverted(journals, named, by, f"Run {run}{of_time(named)}")
    return named


def named_run(journals: Journals, run: str) -> State:
    """The run with this id. Raises Refused when it is missing or cannot be rolled back."""
    state = journals.state(run)
    if state.started is None:
        known = did_you_mean_id(run, journals.replicated.runs())
        raise Refused(f"Run not found: {run}{known}", hint="See: cartctl history")
    if state.plan not in PLANS:
        raise Refused(
            f"Run {run} is a {state.plan}: only a deployment can be rolled back.", hint="See: cartctl history"
        )
    return state


def newest_change(journals: Journals) -> State:
    """The newest deployment that changed something, reverted or not. Read-only. Raises Refused when there is none."""
    for state, by in _deployments(journals):
        if _changed_something(state, by):
            return state
    raise Refused(
        "No deployment has changed anything: nothing to roll back.", hint=_partly_migrated(journals)
    )


def _partly_migrated(journals: Journals) -> str:
    """The command that drops what the newest migration made beside tables that existed before it; else how to see the runs."""
    for state, by in _reversible(journals):
        migrated = state.results.get("migrate") or {}
        if by is None and set(migrated.get("applied", ())) - set(migrated.get("adopted", ())):
            return f"To drop only what run {state.run} created: cartctl rollback --database --run {state.run}"
    return "See: cartctl history"


def of_time(state: State) -> str:
    """` of 2026-12-01 02:00 UTC`, or empty when the start time is unknown."""
    return f" of {state.started.at:%Y-%m-%d %H:%M} UTC" if state.started else ""


def released(evidence: Mapping[str, Evidence]) -> dict[str, tuple[str, str]]:
    """Container → the previous and the requested image, of every release that changed it. Pure."""
    moves: dict[str, tuple[str, str]] = {}
    for change in evidence.values():
        if change.kind == "release" and change.to:
            refs = {
                name: (_ref(change.before.get(name)), _ref(change.to[-1].get(name))) for name in change.names
            }
            moves |= {name: move for name, move in refs.items() if move[0] != move[1]}
    return moves


def _refuse_reverted(journals: Journals, state: State, by: str | None, what: str) -> None:
    if not state.finished or (by is None and state.outcome != RunOutcome.ROLLED_BACK):
        return
    who = f"by {by}" if by else "by itself"
    raise AlreadyReverted(
        f"{what} has already been rolled back, {who}. Nothing was changed.", hint=_in_effect(journals)
    )


def _in_effect(journals: Journals) -> str:
    """The deployment that is still in effect, with the command that would roll it back."""
    for state, by in _deployments(journals):
        reverted = state.finished and (by is not None or state.outcome == RunOutcome.ROLLED_BACK)
        if not reverted and _changed_something(state, by):
            moves = "; ".join(f"{name} {a} → {b}" for name, (a, b) in released(state.touched).items())
            env = state.started.data.get("env", "") if state.started else ""
            description = f"The run in effect is {state.run}{of_time(state)}" + (
                f" ({moves})" if moves else ""
            )
            return f"{description}. To roll it back: cartctl rollback --run {state.run}" + (
                f" --env {env}" if env else ""
            )
    return "No other deployment is in effect."


def _deployments(journals: Journals) -> Iterator[tuple[State, str | None]]:
    """Every deployment, newest first, with the rollback that reverted it, if one did. Read-only."""
    return ((state, by) for state, by in _reversible(journals) if state.plan == "deploy")


def _reversible(journals: Journals) -> Iterator[tuple[State, str | None]]:
    """Every run that can be rolled back, newest first, with the rollback that reverted it, if one did. Read-only."""
    rollbacks: list[State] = []
    for run in journals.replicated.runs():
        state = journals.state(run)
        if state.plan == "rollback":
            rollbacks.append(state)
        elif state.plan in PLANS:
            yield state, next((one.run for one in rollbacks if _reverts(one, state)), None)


def _reverts(rollback: State, deployment: State) -> bool:
    """Whether a rollback succeeded and reverted this deployment; with the database it reverts every deployment since its own."""
    if rollback.outcome not in EFFECTIVE:
        return False
    if any(change.kind == "release" for change in rollback.evidence.values()):
        return False
    since = _dropped(rollback) and rollback.of is not None and rollback.of <= deployment.run
    return rollback.of == deployment.run or since


def _dropped(rollback: State) -> bool:
    """Whether the rollback included the cart's tables."""
    facts: Mapping[str, Any] = rollback.started.data.get("facts", {}) if rollback.started else {}
    return bool(facts.get("database"))


def _changed_something(state: State, by: str | None) -> bool:
    """Whether a run changed anything that is still in effect; without that, the deployment before it is the running one."""
    if by is not None or not state.finished:
        return True
    if state.outcome == RunOutcome.ROLLED_BACK:
        return bool(state.touched)
    return any(_moved(change) for change in state.evidence.values())


def _moved(change: Evidence) -> bool:
    """Compare images by reference, since the digest is recorded later."""
    before = {name: _ref(value) for name, value in change.before.items()}
    return any({name: _ref(value) for name, value in to.items()} != before for to in change.to)


def _ref(value: Any) -> Any:
    return value["ref"] if isinstance(value, Mapping) and "ref" in value else value
