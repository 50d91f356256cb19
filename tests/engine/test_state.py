"""A run's state from its events: what is open, what is done, and what a rollback takes over."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cartctl.engine.events import Event
from cartctl.engine.model import Evidence
from cartctl.engine.state import State, fold, new_run_id

AT = datetime(2026, 12, 1, 2, tzinfo=UTC)


def event(key: str, name: str, **data: Any) -> Event:
    """An event of the run."""
    return Event("r1", AT, key, name, data)


def intended(key: str, before: int, to: int) -> Event:
    """A Change that is about to be moved."""
    return event(key, "intended", kind="number", names=["n"], before={"n": before}, to={"n": to})


def evidence(before: int, *to: int) -> Evidence:
    """The same as evidence."""
    return Evidence("number", ("n",), {"n": before}, tuple({"n": each} for each in to))


def test_a_second_intent_adds_a_target_and_keeps_the_first_value() -> None:
    """A resumed step observed what the run itself had set: that is never the previous value."""
    state = fold("r1", [intended("a", 1, 2), intended("a", 2, 3), intended("b", 5, 6)])
    assert state.evidence == {"a": evidence(1, 2, 3), "b": evidence(5, 6)}
    assert list(state.evidence) == ["a", "b"]
    assert state.touched == state.evidence


def test_a_reverted_change_is_closed_and_may_run_again() -> None:
    """It stays touched: the run has changed something."""
    state = fold("r1", [intended("a", 1, 2), event("a", "applied"), event("a", "restored")])
    assert (state.evidence, state.done, set(state.touched)) == ({}, {}, {"a"})


def test_a_restore_is_done_itself_and_closes_what_it_reverts() -> None:
    """Also a failed undo that is made up for; of another step it closes nothing."""
    events = [intended("a", 1, 2), intended("b", 1, 2), event("a", "undo_failed", message="no")]
    state = fold("r1", events)
    assert state.undo_failed == {"a": "no"}
    state.take(event("a.off", "restored", of="a"))
    assert (set(state.evidence), state.done, state.undo_failed) == ({"b"}, {"a.off": "restored"}, {})


def test_a_restore_that_comes_again_keeps_its_evidence_open() -> None:
    """Only the last one closes it."""
    state = fold("r1", [intended("a", 1, 2), event("a.early", "restored", of="a", again=True)])
    assert (set(state.evidence), state.done) == ({"a"}, {"a.early": "restored"})


def test_results_and_ends_of_steps_are_kept() -> None:
    """Applied and skipped steps are not run again; failed ones are."""
    state = fold(
        "r1",
        [event("x", "applied", result=7), event("y", "skipped", reason="no"), event("z", "failed")],
    )
    assert (state.done, state.results) == ({"x": "applied", "y": "skipped"}, {"x": 7, "y": None})


def test_a_finished_run_takes_no_more_events() -> None:
    """Its outcome stands."""
    state = fold("r1", [event("run", "undoing", cause="smoke"), intended("a", 1, 2)])
    assert (state.undoing, state.failed, state.finished, state.outcome) == (True, "smoke", False, None)
    state.take(event("run", "finished", outcome="rolled_back"))
    state.take(event("run", "finished", outcome="succeeded"))
    state.take(event("a", "restored"))
    assert (state.finished, state.outcome, set(state.evidence)) == (True, "rolled_back", {"a"})


def test_a_step_of_the_name_of_a_runs_event_is_a_step() -> None:
    """Only the key `run` speaks of the run."""
    state = fold("r1", [event("a", "started", plan="deploy"), event("a", "undoing"), event("a", "finished")])
    assert (state.started, state.undoing, state.finished) == (None, False, False)


def test_a_run_says_which_plan_it_is_and_which_run_it_rolls_back() -> None:
    """Unknown as long as it has not started."""
    assert (State("r1").plan, State("r1").of) == ("unknown", None)
    started = fold("r1", [event("run", "started", plan="rollback", of="r0")])
    assert (started.plan, started.of) == ("rollback", "r0")
    assert fold("r1", [event("run", "started", plan="deploy")]).of is None


def test_a_rollback_inherits_evidence_and_results_its_own_go_first() -> None:
    """What it started with is known even after it has reverted some of it."""
    earlier = fold("r1", [intended("a", 1, 2), intended("b", 1, 2), event("x", "applied", result=1)])
    state = fold(
        "r2", [intended("b", 8, 9), event("x", "applied", result=2), event("y", "applied", result=3)]
    )
    state.inherit(earlier)
    assert state.evidence == {"a": evidence(1, 2), "b": evidence(8, 9)}
    assert state.results == {"x": 2, "y": 3}
    assert (list(state.evidence), state.inherited) == (["a", "b"], state.evidence)
    held = state.held()
    assert held["a"] == {"kind": "number", "names": ("n",), "before": {"n": 1}, "to": ({"n": 2},)}
    under_way = fold("r2", [event("run", "started", plan="rollback", evidence=held), event("a", "restored")])
    assert (set(under_way.evidence), set(under_way.inherited)) == ({"b"}, {"a", "b"})
    assert under_way.inherited["a"] == evidence(1, 2)
    assert fold("r2", [event("run", "started", plan="rollback")]).inherited == {}


@pytest.mark.parametrize(
    "wrong",
    (
        {"kind": 1},
        {"names": [1]},
        {"before": [1]},
        {"to": [[1]]},
        {"kind": None},
        {"names": None},
        {"to": None},
    ),
)
def test_malformed_evidence_is_never_taken(wrong: dict[str, Any]) -> None:
    """An undo depends on it."""
    whole = {"kind": "number", "names": ["n"], "before": {"n": 1}, "to": [{"n": 2}]}
    assert fold("r1", [event("run", "started", plan="x", evidence={"a": whole})]).evidence
    with pytest.raises(TypeError):
        fold("r1", [event("run", "started", plan="x", evidence={"a": {**whole, **wrong}})])


def test_ids_of_runs_sort_by_time_and_differ() -> None:
    """Second, then four random digits."""
    ids = {new_run_id() for _ in range(20)}
    assert len(ids) > 1
    assert all(len(each) == len("20261201-020000-abcd") for each in ids)
    assert all(
        abs(
            (
                datetime.now(UTC) - datetime.strptime(each[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
            ).total_seconds()
        )
        < 60
        for each in ids
    )
