"""What the runner does when steps fail, values are foreign, or somebody wants it to stop."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.effects import effect
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.lock import Lock, StopRequested
from cartctl.engine.model import Check, CheckResult, Checks, Restore, Skip, Step, Verdict
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.report import report
from cartctl.engine.state import State, fold
from cartctl.errors import CartctlError, Interrupted, LockLost, LockUnknown, Refused, StepFailed
from tests.engine import toy
from tests.engine.toy import BEGINNING, END, Set, World, forward


class Free:
    """A lock that is always held: one process plays alone here."""

    def confirm(self) -> None:
        """Held."""


class Falling(Free):
    """A lock that is lost before the n-th step."""

    def __init__(self, at: int) -> None:
        self._left = at

    def confirm(self) -> None:
        """Held until then."""
        self._left -= 1
        if self._left == 0:
            raise LockLost("r2 holds it now", hint="Wait.")


class Silent(Free):
    """A lock whose server stops responding after so many steps."""

    def __init__(self, steps: int, error: CartctlError) -> None:
        self._left, self._error = steps, error
        self.attempts = 0

    def confirm(self) -> None:
        """Held until then, unknown afterwards."""
        self._left -= 1
        if self._left < 0:
            self.attempts += 1
            raise self._error


class Says(Check):
    """A check with a given verdict, that may do something first."""

    def __init__(self, key: str, verdict: Verdict, first: Any = None) -> None:
        self.key, self._verdict, self._first = key, verdict, first

    def judge(self, pulse: Pulse) -> Checks:
        """The given verdict."""
        if self._first:
            self._first(pulse)
        return Checks((CheckResult(self.key, self._verdict, observed="seen"),))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The toy world at its beginning."""
    toy.World.here = World(tmp_path / "world.json")
    toy.World.here.path.write_text(json.dumps(BEGINNING))
    return toy.World.here


def _travel(
    world: World,
    plan: tuple[Step, ...],
    *,
    state: State | None = None,
    on_failure: OnFailure = OnFailure.UNDO,
    pulse: Pulse | None = None,
    lock: Lock | None = None,
) -> tuple[Outcome, FileJournal]:
    file = FileJournal(world.path.parent / "runs")
    kept = ReplicatedJournal(file, [])
    outcome = toy.travel(plan, state or State("r1"), kept, lock or Free(), pulse=pulse, on_failure=on_failure)
    return outcome, file


def test_a_plan_succeeds_and_its_report_says_how_long_each_step_took(world: World) -> None:
    """A run without trouble ends in the wanted world, and every step is in its report."""
    outcome, file = _travel(world, forward(world))
    assert (outcome.word, outcome.exit_code, world.read()) == ("succeeded", 0, END)
    result = report(file.events("r1"))
    assert [step.key for step in result.steps] == [step.key for step in forward(world)]


def test_a_failed_step_puts_everything_back_and_exits_4(world: World) -> None:
    """A check that fails turns the run back; the migration stays."""
    outcome, _ = _travel(world, forward(world, wanted_health=3))
    assert (outcome.word, outcome.exit_code, world.read()) == ("rolled_back", 4, {**BEGINNING, "migrated": 1})


def test_a_guard_before_any_change_exits_3_and_changes_nothing(world: World) -> None:
    """A failing check at the beginning is a refusal: nothing was changed."""
    outcome, _ = _travel(world, (Says("preflight", Verdict.FAIL), *forward(world)))
    assert (outcome.word, outcome.exit_code, world.read()) == ("failed", 3, BEGINNING)


def test_an_unknown_leaves_the_code_but_settles_the_rest(world: World) -> None:
    """A run that cannot measure ends inconclusive: the image stays, workers run, replicas are as before."""
    plan = forward(world)
    outcome, _ = _travel(world, (*plan[:-2], Says("monitor", Verdict.UNKNOWN), *plan[-2:]))
    assert (outcome.word, outcome.exit_code, world.read()) == ("inconclusive", 6, END)


def test_without_automatic_rollback_the_code_stays_for_a_person(world: World) -> None:
    """OnFailure.SETTLE keeps the release, starts the workers and exits 5."""
    outcome, _ = _travel(world, forward(world, wanted_health=3), on_failure=OnFailure.SETTLE)
    assert (outcome.word, outcome.exit_code, world.read()) == ("failed", 5, END)


def test_an_alarm_turns_the_run_back_and_the_undo_ignores_it(world: World) -> None:
    """A trigger raised while a later step runs undoes everything, on a pulse that the trigger does not reach."""
    plan = (
        *forward(world),
        Says("monitor", Verdict.PASS, lambda pulse: pulse.alarm(StepFailed("error rate"))),
    )
    outcome, _ = _travel(world, (*plan, Skip("report", "not configured")))
    assert (outcome.word, outcome.exit_code) == ("rolled_back", 4)
    assert world.read() == {**BEGINNING, "migrated": 1}


def test_somebody_elses_change_is_not_overwritten_by_an_undo(world: World) -> None:
    """A value that is neither before nor after stops that undo, not the others, and exits 5 naming it."""
    plan = (*forward(world)[:6], Says("health", Verdict.FAIL, lambda _: world.write("image", 7)))
    outcome, file = _travel(world, plan)
    assert (outcome.word, outcome.exit_code) == ("failed", 5)
    assert "image is 7" in outcome.message
    assert world.read() == {**BEGINNING, "image": 7, "migrated": 1}
    assert ("release", "undo_failed") in {(event.key, event.event) for event in file.events("r1")}


class Halting(toy.Set):
    """A change during which Ctrl-C is pressed."""

    def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
        """Change, then notice the alarm."""
        super().move(to, pulse)
        if "armed" in vars(self):
            pulse.alarm(vars(self)["armed"])
            pulse.check()


@pytest.mark.parametrize(
    ("cause", "replicas", "open_evidence"),
    ((Interrupted("Ctrl-C"), 2, set()), (StopRequested("rollback"), 3, {"prewarm"})),
)
def test_ctrl_c_undoes_the_current_step_and_a_stop_request_leaves_it(
    world: World, cause: Interrupted, replicas: int, open_evidence: set[str]
) -> None:
    """The first Ctrl-C stops between steps; a rollback elsewhere inherits the evidence instead."""
    halting = Halting("prewarm", ("replicas",), world, 3)
    vars(halting)["armed"] = cause
    outcome, file = _travel(world, (halting, *forward(world)[1:]))
    assert (outcome.word, outcome.exit_code, world.read()["replicas"]) == ("interrupted", 130, replicas)
    state = fold("r1", file.events("r1"))
    assert not state.finished
    assert set(state.evidence) == open_evidence
    resumed, _ = _travel(world, forward(world), state=state)
    assert (resumed.exit_code, world.read()) == (0, END)


@pytest.mark.parametrize("on_failure", list(OnFailure))
def test_a_lock_lost_in_mid_run_stops_it_before_the_next_step_and_it_can_go_on(
    world: World, on_failure: OnFailure
) -> None:
    """Exit code 5: nothing is moved any more, not even back, since somebody else may be at work; resumed it ends as always."""
    outcome, file = _travel(world, forward(world), lock=Falling(3), on_failure=on_failure)
    assert (outcome.word, outcome.exit_code, outcome.message) == ("interrupted", 5, "r2 holds it now")
    assert world.read() == BEGINNING | {"replicas": 3, "workers": 0}
    state = fold("r1", file.events("r1"))
    assert not state.finished
    resumed, _ = _travel(world, forward(world), state=state, on_failure=on_failure)
    assert (resumed.exit_code, world.read()) == (0, END)


@pytest.mark.parametrize(
    ("on_failure", "at", "reverted"),
    (
        (OnFailure.UNDO, 4, []),  # three steps, and the fourth time before anything is recorded
        (OnFailure.UNDO, 6, ["workers.stop"]),  # between the two undos
        (OnFailure.SETTLE, 4, []),
        (OnFailure.SETTLE, 5, []),
    ),
)
def test_a_lock_lost_before_a_revert_stops_it(
    world: World, on_failure: OnFailure, at: int, reverted: list[str]
) -> None:
    """A process that was suspended fails when it wakes up; another run may have set the same values since."""
    plan = (*forward(world)[:2], Says("check", Verdict.FAIL), Restore("late", of="workers.stop"))
    outcome, file = _travel(world, plan, lock=Falling(at), on_failure=on_failure)
    assert (outcome.word, outcome.exit_code, outcome.message) == ("interrupted", 5, "r2 holds it now")
    events = [(event.key, event.event) for event in file.events("r1")]
    assert [key for key, event in events if event == "restored"] == reverted
    assert ("run", "undoing") not in events or at > 4
    assert world.read()["replicas"] == 3
    assert not fold("r1", file.events("r1")).finished


@pytest.mark.parametrize(
    "error", (LockUnknown("the database does not respond"), Refused("The database is a standby."))
)
def test_a_lock_whose_state_is_unknown_stops_no_revert(world: World, error: CartctlError) -> None:
    """With the database gone the code is still reverted; the lock is tried once and not before each undo."""
    lock = Silent(3, error)
    plan = (*forward(world)[:2], Says("check", Verdict.FAIL))
    outcome, _ = _travel(world, plan, lock=lock)
    assert (outcome.word, outcome.exit_code, world.read()) == ("rolled_back", 4, BEGINNING)
    assert lock.attempts == 1


def test_a_later_second_revert_is_not_counted_before_it(world: World) -> None:
    """A run that stops between the two has the evidence still, and only the second is left to do."""
    plan = (
        *forward(world)[:1],
        Restore("early", of="prewarm", again=True),
        Set("workers.stop", ("workers",), world, 0),
        Restore("late", of="prewarm"),
    )
    _, file = _travel(world, plan, lock=Falling(3))
    state = fold("r1", file.events("r1"))
    assert (set(state.evidence), world.read()["replicas"]) == ({"prewarm"}, 2)
    outcome, file = _travel(world, plan, state=state)
    assert outcome.word == "succeeded"
    keys = [event.key for event in file.events("r1") if event.event == "restored"]
    assert (keys, set(fold("r1", file.events("r1")).evidence)) == (["early", "late"], {"workers.stop"})


def test_a_final_state_never_changes(world: World) -> None:
    """Events after the end of a run are not folded in."""
    _, file = _travel(world, forward(world, wanted_health=3))
    state = fold(
        "r1", [*file.events("r1"), *[event for event in file.events("r1") if event.event == "intended"]]
    )
    assert (state.outcome, state.evidence) == ("rolled_back", {})


def test_a_half_written_line_of_the_local_journal_is_omitted(tmp_path: Path, world: World) -> None:
    """A line that a kill cut short does not hide those before it, nor the next one."""
    _, file = _travel(world, forward(world))
    whole = file.events("r1")
    with file.path("r1").open("a") as stream:
        stream.write('{"run": "r1", "at"')
    file.append(whole[0])
    assert file.events("r1") == [*whole, whole[0]]


def test_an_effect_is_reported_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """The door of effects calls its probe on both sides."""
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr("cartctl.adapters.effects.probe", lambda name, moment: seen.append((name, moment)))
    with effect("world.touch"):
        seen.append(("inside", ""))
    assert seen == [("world.touch", "before"), ("inside", ""), ("world.touch", "after")]


def test_ctrl_c_before_any_change_leaves_nothing_to_resume(world: World) -> None:
    """A run stopped in its checks is over; one that a rollback asked to stop stays open, so that it is the one taken back."""
    plan = (
        Says("preflight", Verdict.PASS, lambda pulse: pulse.alarm(Interrupted("Ctrl-C"))),
        *forward(world),
    )
    outcome, file = _travel(world, plan)
    assert (outcome.exit_code, world.read()) == (130, BEGINNING)
    assert fold("r1", file.events("r1")).outcome == "interrupted"
    result = (
        Says("preflight", Verdict.PASS, lambda pulse: pulse.alarm(StopRequested("rollback"))),
        *forward(world),
    )
    _, file = _travel(world, result, state=State("r2"))
    assert not fold("r2", file.events("r2")).finished
