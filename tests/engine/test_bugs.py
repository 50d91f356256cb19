"""An exception that no code expected ends its run: reverted or settled, finished, exit 1, and it blocks no other run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Monitor, Thresholds
from cartctl.engine.events import Event
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal, PostgresJournal
from cartctl.engine.lock import RunLock
from cartctl.engine.model import Action, Check, Checks, Run, Step
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import State, fold
from cartctl.errors import CartctlError, Interrupted, StepFailed, as_error
from cartctl.monitoring.tick import Tick
from cartctl.monitoring.watch import MonitorBroke, Watch
from tests.engine import toy
from tests.engine.test_runner import Free
from tests.engine.toy import BEGINNING, Set, World, backward, forward, travel

BUGS = (TypeError("a date is no JSON"), RecursionError(), MemoryError(), KeyError("x"), AssertionError())


class Breaks(Check):
    """A check with a bug."""

    key = "smoke"

    def __init__(self, bug: Exception) -> None:
        self._bug = bug

    def judge(self, pulse: Pulse) -> Checks:
        """Never says anything."""
        raise self._bug


class Broken(Set):
    """A change with a bug in one verb; `move` has had its effect by then."""

    def __init__(self, world: World, verb: str) -> None:
        super().__init__("release", ("image",), world, 2)
        self._verb = verb

    def observe(self, names: tuple[str, ...]) -> dict[str, int]:
        """Maybe."""
        assert self._verb != "observe", "bug"
        return super().observe(names)

    def target(self, before: Mapping[str, int]) -> dict[str, int]:
        """Maybe."""
        assert self._verb != "target", "bug"
        return super().target(before)

    def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
        """Move, then maybe."""
        super().move(to, pulse)
        assert self._verb != "move", "bug"


class Unstorable(Action[Any]):
    """Makes something whose result is no JSON."""

    key = "cache"

    def find(self, run: Run) -> None:
        """Nothing."""

    def perform(self, run: Run, pulse: Pulse) -> Any:
        """A set."""
        return {"keys": {1, 2}}


class NoReport(Action[Any]):
    """The announcement of the outcome, broken."""

    key = "report"
    always = True

    def find(self, run: Run) -> None:
        """Nothing."""

    def perform(self, run: Run, pulse: Pulse) -> Any:
        """Never."""
        raise IndexError(run.outcome)


@dataclass
class Bench:
    """A world, a journal file, and runs between them."""

    world: World
    file: FileJournal
    seen: list[Event] = field(default_factory=list)

    def run(self, plan: tuple[Step, ...], on_failure: OnFailure = OnFailure.UNDO, **more: Any) -> Outcome:
        """One run of a plan as r1, or of a given state."""
        state = more.pop("state", None) or State("r1")
        more.setdefault("observe", self.seen.append)
        return travel(plan, state, ReplicatedJournal(self.file, []), Free(), on_failure=on_failure, **more)

    def finished(self, run: str = "r1") -> str | None:
        """The run's outcome in the journal, also as its history."""
        state = fold(run, self.file.events(run))
        assert (self.file.open_runs() == []) == state.finished
        return state.outcome


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """The toy world at its beginning."""
    toy.World.here = World(tmp_path / "world.json")
    toy.World.here.path.write_text(json.dumps(BEGINNING))
    return Bench(toy.World.here, FileJournal(tmp_path / "runs"))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_a_bug_in_a_check_reverts_the_run_and_exits_1(bench: Bench, bug: Exception) -> None:
    """Whatever it is: the old image, workers running, a finished event, one sentence with the debug hint."""
    outcome = bench.run((*forward(bench.world)[:7], Breaks(bug), *forward(bench.world)[7:]))
    assert (outcome.word, outcome.exit_code, bench.finished()) == ("rolled_back", 1, "rolled_back")
    assert bench.world.read() == {**BEGINNING, "migrated": 1}
    assert outcome.message.startswith(f"Unexpected {type(bug).__name__}")
    assert outcome.message.endswith("This is a bug: run again with --debug.")


@pytest.mark.parametrize("verb", ("observe", "target", "move"))
def test_a_bug_in_a_change_reverts_it_with_the_others(bench: Bench, verb: str) -> None:
    """Also where it comes after the effect."""
    plan = forward(bench.world)
    outcome = bench.run((*plan[:5], Broken(bench.world, verb), *plan[6:]))
    assert (outcome.exit_code, bench.finished()) == (1, "rolled_back")
    assert bench.world.read() == {**BEGINNING, "migrated": 1}


def test_a_bug_without_automatic_rollback_settles(bench: Bench) -> None:
    """The image stays for a person, workers run, maintenance is off."""
    outcome = bench.run(
        (*forward(bench.world)[:6], Breaks(BUGS[0]), *forward(bench.world)[7:]), OnFailure.SETTLE
    )
    assert (outcome.word, outcome.exit_code, bench.finished()) == ("failed", 1, "failed")
    assert bench.world.read() == {**BEGINNING, "image": 2, "migrated": 1}


def test_a_bug_before_any_change_is_an_end_too(bench: Bench) -> None:
    """During preflight: exit 1, nothing changed, nothing left open."""
    outcome = bench.run((Breaks(BUGS[0]), *forward(bench.world)))
    assert (outcome.exit_code, bench.finished(), bench.world.read()) == (1, "failed", BEGINNING)


def test_a_display_that_breaks_at_any_event_ends_the_run_and_stops_no_undo(bench: Bench) -> None:
    """At each event in turn; once the end is journalled the outcome stands."""
    count = len(bench.file.events("r1")) or _events(bench)
    for at in range(count):
        bench.world.path.write_text(json.dumps(BEGINNING))
        left = [at]

        def observe(_event: Event, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise ValueError("a width of 0")

        run = f"s{at:03}"
        outcome = bench.run(forward(bench.world), observe=observe, state=State(run))
        assert fold(run, bench.file.events(run)).finished, at
        last = at == count - 1
        assert (outcome.exit_code, bench.world.read()["image"]) == ((0, 2) if last else (1, 1)), at


def _events(bench: Bench) -> int:
    bench.run(forward(bench.world), state=State("r0"))
    return len(bench.seen)


def test_progress_that_breaks_in_a_step_does_not_break_its_undo(bench: Bench) -> None:
    """The bar is on the pulse that the undo has, too."""

    def progress(_done: float, _total: float, _unit: str) -> None:
        raise ZeroDivisionError

    class Shown(Set):
        def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
            super().move(to, pulse)
            pulse.progress(1, 0, "pods")

    kinds = toy.KINDS.copy()
    toy.KINDS["number"] = lambda key, names: Shown(key, names, toy.World.here)
    try:
        plan = (Set("prewarm", ("replicas",), bench.world, 3), Shown("release", ("image",), bench.world, 2))
        outcome = bench.run(plan, pulse=Pulse(progress=progress))
    finally:
        toy.KINDS.update(kinds)
    assert (outcome.exit_code, bench.world.read(), bench.finished()) == (1, BEGINNING, "rolled_back")


def test_a_result_that_no_journal_can_hold_reverts_the_run(bench: Bench) -> None:
    """The journal's own exception is one like any other."""
    plan = forward(bench.world)
    outcome = bench.run((*plan[:6], Unstorable(), *plan[6:]))
    assert (outcome.exit_code, bench.finished()) == (1, "rolled_back")
    assert bench.world.read() == {**BEGINNING, "migrated": 1}


def test_a_bug_in_an_undo_stops_no_other_and_leaves_the_run_open(bench: Bench) -> None:
    """Exit 5: the failed one is named; going on with the run reverts it."""
    kinds = toy.KINDS.copy()

    def one_breaks(key: str, names: tuple[str, ...]) -> Set:
        return Broken(bench.world, "move") if key == "release" else Set(key, names, bench.world)

    toy.KINDS["number"] = one_breaks
    try:
        outcome = bench.run(forward(bench.world, wanted_health=3))
    finally:
        toy.KINDS.update(kinds)
    assert (outcome.word, outcome.exit_code, bench.finished()) == ("failed", 5, None)
    assert "release: Unexpected AssertionError" in outcome.message
    assert {name: bench.world.read()[name] for name in ("replicas", "workers")} == {
        "replicas": 2,
        "workers": 1,
    }
    again = bench.run(forward(bench.world), state=fold("r1", bench.file.events("r1")))
    assert (again.exit_code, bench.finished()) == (4, "rolled_back")


def test_a_bug_in_a_rollback_stops_no_other_step(bench: Bench) -> None:
    """Everything is reverted, exit 1; where a revert is what broke, exit 5 and it can be gone on with."""
    bench.run(forward(bench.world), state=State("r1"))
    state = State("r2")
    state.inherit(fold("r1", bench.file.events("r1")))
    plan = backward(bench.world)
    outcome = bench.run((*plan[:2], Breaks(BUGS[0]), *plan[3:]), OnFailure.CONTINUE, state=state)
    assert (outcome.word, outcome.exit_code, bench.finished("r2")) == ("failed", 1, "failed")
    assert bench.world.read() == {**BEGINNING, "migrated": 1}


def test_a_broken_announcement_changes_nothing(bench: Bench) -> None:
    """The outcome stands, and its failure is in the journal."""
    outcome = bench.run((*forward(bench.world, wanted_health=3), NoReport()))
    assert (outcome.word, outcome.exit_code, bench.finished()) == ("rolled_back", 4, "rolled_back")
    assert ("report", "failed") in {(event.key, event.event) for event in bench.file.events("r1")}


class Full(FileJournal):
    """A journal that takes nothing from an event on."""

    def __init__(self, directory: Path, event: str) -> None:
        super().__init__(directory)
        self._event, self.lost = event, 0

    def append(self, event: Event) -> None:
        """Until then."""
        if self.lost or event.event == self._event:
            self.lost += 1
            raise OSError(28, "No space left on device")
        super().append(event)


@pytest.mark.parametrize("event", ("undoing", "restored", "finished"))
def test_a_journal_that_takes_nothing_stops_no_undo(bench: Bench, event: str) -> None:
    """The values are reverted all the same; the operator is told that the journal is incomplete."""
    full = Full(bench.file.directory, event)
    state = State("r1")
    outcome = travel(
        (*forward(bench.world)[:4], *forward(bench.world, wanted_health=3)[5:]),
        state,
        ReplicatedJournal(full, []),
        Free(),
        on_failure=OnFailure.UNDO,
    )
    assert full.lost
    assert (bench.world.read(), outcome.exit_code) == ({**BEGINNING, "migrated": 1}, 5)
    assert "journal is incomplete: No journal accepted the event" in outcome.message
    assert outcome.message.endswith("No space left on device")


def test_what_the_machine_refuses_is_no_bug() -> None:
    """A full disk has a sentence of its own; an exception whose text is a bug has one, too."""

    class Worse(Exception):
        def __str__(self) -> str:
            raise RecursionError

    assert isinstance(as_error(OSError(28, "No space left on device")), StepFailed)
    assert as_error(Worse()).message == "Unexpected Worse."
    failure = StepFailed("x")
    assert as_error(failure) is failure


def test_a_call_that_cannot_be_cancelled_keeps_no_other_going() -> None:
    """An alarm reaches all that it guards."""
    pulse, ended = Pulse(), list[str]()

    def breaks() -> None:
        raise RuntimeError

    with (
        pytest.raises(Interrupted),
        pulse.cancelling(breaks),
        pulse.cancelling(lambda: ended.append("sql")),
    ):
        pulse.alarm(Interrupted("stop"))
    assert ended == ["sql"]


class Deaf(RunLock):
    """A lock whose listening thread breaks."""

    def _requests(self) -> int | None:
        raise KeyError("requests")


def test_a_lock_that_can_hear_no_stop_request_any_more_ends_its_run(empty_database: Postgres) -> None:
    """Its thread's bug surfaces in the main thread."""
    journal = PostgresJournal(empty_database)
    journal.prepare()
    pulse = Pulse()
    with Deaf(empty_database, journal, "r1", pulse), pytest.raises(CartctlError, match="Unexpected KeyError"):
        pulse.pause(60)
    journal.close()


class Blind(Watch):
    """A monitor that breaks."""

    def tick(self) -> Tick:
        """Never."""
        raise ZeroDivisionError


def test_a_monitor_that_breaks_ends_its_run_with_a_bugs_exit_code() -> None:
    """Nothing is claimed: the run settles, and does not look as if all were quiet."""
    pulse = Pulse()
    watch = Blind(None, None, Thresholds(), Monitor())
    with watch.armed(pulse), pytest.raises(MonitorBroke, match="Unexpected ZeroDivisionError") as broke:
        pulse.pause(60)
    assert broke.value.exit_code == 1


def test_a_broken_monitor_settles_the_run(bench: Bench) -> None:
    """The image stays, workers run, the outcome is inconclusive with exit code 1, and nothing is left open."""
    plan = (*forward(bench.world)[:6], Breaks(MonitorBroke("The monitor failed.")), *forward(bench.world)[7:])
    outcome = bench.run(plan)
    assert (outcome.word, outcome.exit_code, bench.finished()) == ("inconclusive", 1, "inconclusive")
    assert bench.world.read() == {**BEGINNING, "image": 2, "migrated": 1}
