"""How a failed step ends its run: which exit code, what is reverted, what still happens, and what is run next."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cartctl.engine.events import Event
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.lock import StopRequested
from cartctl.engine.model import Action, Check, CheckResult, Checks, Restore, Run, Skip, Step, Verdict
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.runner import Runner
from cartctl.engine.state import State, fold
from cartctl.errors import (
    CartctlError,
    CheckFailed,
    ConfigError,
    Inconclusive,
    Interrupted,
    Locked,
    Refused,
    StepFailed,
    UsageError,
)
from tests.engine import toy
from tests.engine.test_runner import Free
from tests.engine.toy import BEGINNING, KINDS, Set, World

UNDO, SETTLE, CONTINUE = OnFailure.UNDO, OnFailure.SETTLE, OnFailure.CONTINUE


class Does(Action[Any]):
    """An action that fails, or notes the run's outcome as it sees it and gives a result."""

    def __init__(self, key: str, error: Exception | None = None, made: Any = None) -> None:
        self.key, self._error, self._made = key, error, made
        self.seen: list[tuple[str, Mapping[str, Any]]] = []

    def find(self, run: Run) -> Any:
        """What an earlier attempt has made."""
        return self._made

    def perform(self, run: Run, pulse: Pulse) -> Any:
        """Fail, or note."""
        self.seen.append((run.outcome, dict(run.results)))
        if self._error:
            raise self._error
        return {"n": len(self.seen)}


class Harmless(Does):
    """One that does not count as a change."""

    harmless = True


class Careful(Does):
    """One that wants every step before it to have succeeded."""

    careful = True


class Announces(Does):
    """One that also happens after a failure."""

    always = True
    harmless = True


class Verifies(Check):
    """A check of the step `workers`."""

    key, follows = "verify", "workers"

    def __init__(self) -> None:
        self.judged = 0

    def judge(self, pulse: Pulse) -> Checks:
        """Passes."""
        self.judged += 1
        return Checks((CheckResult("x", Verdict.PASS),))


class Raises(Check):
    """A check that raises."""

    def __init__(self, key: str, error: BaseException) -> None:
        self.key, self._error = key, error

    def judge(self, pulse: Pulse) -> Checks:
        """Never says anything."""
        raise self._error


class Fails(Set):
    """A change that has its effect, then raises."""

    def __init__(self, key: str, name: str, world: World, error: BaseException) -> None:
        super().__init__(key, (name,), world, 7)
        self._error = error

    def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
        """Move, then raise."""
        super().move(to, pulse)
        raise self._error


@dataclass
class Bench:
    """A world, a journal, and runs of plans."""

    world: World
    file: FileJournal
    pulse: Pulse = field(default_factory=Pulse)
    seen: list[Event] = field(default_factory=list)
    doing: list[str] = field(default_factory=list)

    def run(
        self,
        *plan: Step,
        on: OnFailure = UNDO,
        state: State | None = None,
        commands: Mapping[str, str | Callable[[], str]] | None = None,
        first: Event | None = None,
    ) -> Outcome:
        """Run a plan as r1, or resume it."""
        run = Run("r1", "toy", datetime.now(UTC), self.file.directory, "running", {})
        runner = Runner(
            run,
            state or self.state(),
            ReplicatedJournal(self.file, []),
            kinds=KINDS,
            lock=Free(),
            pulse=self.pulse,
            observe=self._observe,
            on_failure=on,
        )
        return runner.execute(plan, commands or {}, first)

    def _observe(self, event: Event) -> None:
        self.seen.append(event)
        self.doing.append(self.pulse.doing)

    def state(self) -> State:
        """The state in the journal."""
        return fold("r1", self.file.events("r1"))

    def events(self, name: str) -> list[str]:
        """The keys of the journal's events of a name."""
        return [event.key for event in self.file.events("r1") if event.event == name]

    def last(self, name: str) -> Mapping[str, Any]:
        """The data of the newest event of a name."""
        return next(event.data for event in reversed(self.file.events("r1")) if event.event == name)

    def set(self, name: str, number: int = 7) -> Set:
        """A change of one number; its key is the name."""
        return Set(name, (name,), self.world, number)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """The toy world at its beginning."""
    toy.World.here = World(tmp_path / "world.json")
    toy.World.here.path.write_text(json.dumps(BEGINNING))
    return Bench(toy.World.here, FileJournal(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("error", "word", "code"),
    (
        (UsageError("no"), "failed", 2),
        (ConfigError("no"), "failed", 2),
        (Refused("no"), "failed", 3),
        (Locked("no"), "failed", 8),
        (StepFailed("no"), "rolled_back", 4),
        (CheckFailed("no"), "rolled_back", 4),
        (ValueError("no"), "rolled_back", 1),
    ),
)
def test_only_a_refusal_says_that_nothing_was_changed(
    bench: Bench, error: Exception, word: str, code: int
) -> None:
    """Any other failure of an action may have come after its effect."""
    outcome = bench.run(Does("cdn", error))
    assert (outcome.word, outcome.exit_code) == (word, code)
    assert bench.events("undoing") == (["run"] if word == "rolled_back" else [])


@pytest.mark.parametrize("error", (ConfigError("no"), Refused("no"), Locked("no"), StepFailed("no")))
def test_a_refusal_after_a_change_is_reverted(bench: Bench, error: CartctlError) -> None:
    """What was changed before it is reverted, so that the run has changed nothing that lasts."""
    outcome = bench.run(bench.set("workers"), Does("cdn", error))
    assert (outcome.word, outcome.exit_code, bench.world.read()) == ("rolled_back", 4, BEGINNING)
    assert outcome.message == "no"


def test_an_action_that_has_succeeded_counts_as_a_change(bench: Bench) -> None:
    """Not a harmless one, nor one that only announces."""
    outcome = bench.run(Does("cdn"), Raises("check", Refused("no", hint="Wait.")))
    assert (outcome.word, outcome.exit_code, outcome.message) == ("rolled_back", 4, "no. Wait.")
    assert 0 <= bench.last("failed")["seconds"] < 60


@pytest.mark.parametrize(
    ("error", "code"), ((StepFailed("no"), 3), (CheckFailed("no"), 3), (Locked("no"), 8), (KeyError(), 1))
)
def test_a_failure_before_any_change_is_a_refusal(bench: Bench, error: Exception, code: int) -> None:
    """Exit code 3, unless it has a code of its own that says the same, or is a bug."""
    for plan in ((Harmless("tell", error),), (Harmless("told"), Raises("check", error))):
        bench.file.path("r1").unlink(missing_ok=True)
        outcome = bench.run(*plan)
        assert (outcome.word, outcome.exit_code) == ("failed", code)
        assert bench.events("undoing") == []
        assert bench.state().finished


def test_without_automatic_rollback_only_temporary_changes_are_reverted(bench: Bench) -> None:
    """Those that the plan restores later, and no other; exit code 5."""
    plan = (
        bench.set("workers"),
        bench.set("image"),
        bench.set("replicas"),
        Restore("replicas.restore", of="replicas"),
        Raises("check", CheckFailed("down")),
        Restore("workers.start", of="workers"),
    )
    outcome = bench.run(*plan, on=SETTLE)
    assert (outcome.word, outcome.exit_code, outcome.message) == ("failed", 5, "down")
    assert bench.world.read() == {**BEGINNING, "image": 7}
    assert bench.events("restored") == ["replicas.restore", "workers"]
    assert bench.doing[-1] == "the revert"


def test_an_inconclusive_run_keeps_its_code_and_says_so(bench: Bench) -> None:
    """Exit code 6, temporary changes reverted."""
    plan = (bench.set("workers"), Raises("monitor", Inconclusive("blind")), Restore("start", of="workers"))
    outcome = bench.run(*plan)
    assert (outcome.word, outcome.exit_code, bench.world.read()) == ("inconclusive", 6, BEGINNING)


def test_the_next_command_depends_on_the_outcome_and_on_whether_anything_changed(bench: Bench) -> None:
    """A function is asked at the end; a run that moved nothing has a command of its own; it is stored."""
    commands: dict[str, str | Callable[[], str]] = {
        "succeeded": "a",
        "rolled_back": lambda: f"b {bench.world.read()['workers']}",
        "failed": "c",
        "unchanged": "d",
    }
    assert bench.run(Skip("x", "no"), commands=commands).next_command == "a"
    assert bench.last("finished")["next_command"] == "a"
    bench.file.path("r1").unlink()
    assert bench.run(Raises("x", StepFailed("no")), commands=commands).next_command == "d"
    bench.file.path("r1").unlink()
    plan = (bench.set("workers"), Raises("x", StepFailed("no")))
    assert bench.run(*plan, commands=commands).next_command == "b 1"
    bench.file.path("r1").unlink()
    assert bench.run(*plan, on=SETTLE, commands=commands).next_command == "c"
    bench.file.path("r1").unlink()
    assert bench.run(*plan, on=SETTLE).next_command == ""


def test_what_is_done_is_not_done_again(bench: Bench) -> None:
    """A resumed run takes the result that an earlier attempt left, and a change that is known is not journalled twice."""
    first, result = Does("first"), Does("found", made={"n": 9})
    plan = (first, bench.set("workers"), result, Raises("x", StopRequested("stop")))
    outcome = bench.run(*plan)
    assert (outcome.word, outcome.ended, bench.events("finished")) == ("interrupted", False, [])
    assert bench.last("interrupted")["outcome"] == "interrupted"
    assert bench.state().results["found"] == {"n": 9}
    assert (len(first.seen), result.seen) == (1, [])
    last = Does("last")
    assert bench.run(*plan[:3], last).word == "succeeded"
    assert (len(first.seen), bench.events("intended")) == (1, ["workers"])
    assert last.seen[0][0] == "running"


def test_later_actions_see_the_results_of_earlier_ones(bench: Bench) -> None:
    """In the order of the plan."""
    second = Does("second")
    bench.run(Does("first"), bench.set("workers"), second)
    assert second.seen == [("running", {"first": {"n": 1}})]


@pytest.mark.parametrize(("to", "intents"), ((7, 1), (8, 2)))
def test_a_resumed_change_goes_from_its_first_value_to_the_new_target(
    bench: Bench, to: int, intents: int
) -> None:
    """A second target is journalled, the same one is not; the previous value is that of the first attempt."""
    bench.run(Fails("workers", "workers", bench.world, StopRequested("stop")))
    assert bench.world.read()["workers"] == 7
    outcome = bench.run(bench.set("workers", to), Raises("x", StepFailed("no")))
    assert bench.events("intended") == ["workers"] * intents
    assert (outcome.word, bench.world.read()) == ("rolled_back", BEGINNING)


def test_a_resumed_change_is_refused_over_an_external_modification(bench: Bench) -> None:
    """Nothing is moved: the value is neither the previous one nor the run's."""
    bench.run(Fails("workers", "workers", bench.world, StopRequested("stop")))
    bench.world.write("workers", 5)
    outcome = bench.run(bench.set("workers"))
    assert (outcome.word, outcome.exit_code, bench.world.read()["workers"]) == ("failed", 5, 5)
    assert "workers is 5" in outcome.message


def test_a_rollback_goes_on_after_a_failure(bench: Bench) -> None:
    """Its failures are listed at the end; a step that wants all before it to have succeeded does not run."""
    careful, other, verifies = Careful("drop"), Does("other"), Verifies()
    plan = (
        Raises("check", StepFailed("one.")),
        Fails("workers", "workers", bench.world, StepFailed("two.", hint="Three.")),
        verifies,
        careful,
        other,
        bench.set("replicas"),
    )
    outcome = bench.run(*plan, on=CONTINUE)
    assert (outcome.word, outcome.exit_code) == ("failed", 5)
    assert outcome.message.startswith(
        "one. two. Three. drop was not executed because an earlier step failed."
    )
    assert (careful.seen, verifies.judged, bench.world.read()["replicas"]) == ([], 0, 7)
    assert len(other.seen) == 1
    assert bench.last("skipped")["reason"] == "workers failed: nothing to compare"
    assert bench.events("failed") == ["check", "workers", "drop"]
    assert bench.events("skipped") == ["verify"]


def test_a_careful_step_runs_when_all_before_it_have_succeeded(bench: Bench) -> None:
    """And a check of a step that was applied."""
    careful, verifies = Careful("drop"), Verifies()
    outcome = bench.run(bench.set("workers"), verifies, careful, on=CONTINUE)
    assert (outcome.word, len(careful.seen), verifies.judged) == ("succeeded", 1, 1)


@pytest.mark.parametrize(
    ("errors", "word", "code"),
    (
        ((Inconclusive("a"),), "inconclusive", 6),
        ((Inconclusive("a"), StepFailed("b")), "failed", 5),
        ((), "succeeded", 0),
    ),
)
def test_a_rollback_that_only_could_not_know_is_inconclusive(
    bench: Bench, errors: tuple[CartctlError, ...], word: str, code: int
) -> None:
    """One real failure makes it failed."""
    outcome = bench.run(*(Raises(f"c{n}", error) for n, error in enumerate(errors)), on=CONTINUE)
    assert (outcome.word, outcome.exit_code, outcome.message) == (
        word,
        code,
        " ".join(error.message for error in errors),
    )


def test_a_value_modified_externally_does_not_roll_a_deployment_back(bench: Bench) -> None:
    """Somebody scaled the deployment meanwhile: that restore fails, the rest of the plan runs, exit code 5."""
    plan = (
        bench.set("replicas"),
        bench.set("image"),
        Modifies(bench.world, "replicas"),
        Restore("replicas.restore", of="replicas"),
        bench.set("workers"),
    )
    outcome = bench.run(*plan)
    assert (outcome.word, outcome.exit_code) == ("failed", 5)
    assert bench.world.read() == {**BEGINNING, "replicas": 5, "image": 7, "workers": 7}
    assert bench.events("failed") == ["replicas.restore"]
    assert (bench.events("undoing"), "replicas is 5" in outcome.message) == ([], True)


class Modifies(Check):
    """A check during which somebody sets a number to 5."""

    key = "modified"

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def judge(self, pulse: Pulse) -> Checks:
        """Set it."""
        self._world.write(self._name, 5)
        return Checks((CheckResult("x", Verdict.PASS),))


def test_a_restore_of_what_was_never_changed_is_done_at_once(bench: Bench) -> None:
    """Once; its event says what it restores, and whether again."""
    bench.run(bench.set("workers"), Restore("early", of="workers", again=True), Restore("x", of="image"))
    restored = [event.data for event in bench.file.events("r1") if event.event == "restored"]
    assert [{**data, "seconds": 0} for data in restored] == [
        {"of": "workers", "again": True, "seconds": 0},
        {"of": "image", "seconds": 0},
    ]
    assert all(0 <= data["seconds"] < 60 for data in restored)
    assert bench.world.read() == BEGINNING


@pytest.mark.parametrize("error", (StepFailed("no"), ValueError("a bug")))
def test_announcements_are_made_of_every_outcome_once(bench: Bench, error: Exception) -> None:
    """With the outcome as the run's; one that fails changes nothing; others are not performed after a failure."""
    announces, broken, other = Announces("tell"), Announces("broken", StepFailed("away")), Does("other")
    outcome = bench.run(bench.set("workers"), Raises("x", error), other, broken, announces)
    assert (outcome.word, [outcome for outcome, _ in announces.seen]) == ("rolled_back", ["rolled_back"])
    assert (other.seen, bench.events("failed")) == ([], ["x", "broken"])
    assert bench.state().results["tell"] == {"n": 1}


def test_an_announcement_that_was_made_is_not_made_again(bench: Bench) -> None:
    """Nor any of a run that can be resumed."""
    announces, later = Announces("tell"), Announces("later")
    bench.run(announces, Raises("x", StepFailed("no")))
    assert len(announces.seen) == 1
    bench.file.path("r1").unlink()
    bench.run(bench.set("workers"), Raises("x", StopRequested("stop")), later)
    assert later.seen == []


def test_ctrl_c_in_a_change_reverts_that_change_and_leaves_the_run_open(bench: Bench) -> None:
    """As long as something else is changed; a failed undo is named."""
    outcome = bench.run(bench.set("image"), Fails("workers", "workers", bench.world, Interrupted("Ctrl-C")))
    assert (outcome.word, outcome.exit_code, outcome.ended) == ("interrupted", 130, False)
    assert bench.world.read() == {**BEGINNING, "image": 7}
    assert set(bench.state().evidence) == {"image"}
    broken = Fails("workers", "workers", bench.world, Interrupted("Ctrl-C"))
    KINDS["number"], before = (
        lambda *_: Fails("workers", "workers", bench.world, StepFailed("stuck")),
        KINDS["number"],
    )
    try:
        outcome = bench.run(bench.set("image"), broken)
    finally:
        KINDS["number"] = before
    assert (outcome.word, outcome.exit_code, outcome.ended) == ("interrupted", 130, False)
    assert outcome.message == "Ctrl-C Not reverted: workers: stuck"
    assert bench.last("undo_failed")["message"] == "stuck"


def test_ctrl_c_before_any_change_ends_the_run(bench: Bench) -> None:
    """There is nothing to resume."""
    outcome = bench.run(Raises("x", Interrupted("Ctrl-C")), bench.set("workers"))
    assert (outcome.word, outcome.exit_code, outcome.ended) == ("interrupted", 130, True)
    assert bench.state().outcome == "interrupted"


def test_a_rollback_that_was_killed_is_continued_with_its_cause(bench: Bench) -> None:
    """Newest first, no step of the plan runs; without a cause it says what happened."""
    for cause, message in (("smoke failed", "smoke failed"), ("", "the process crashed during the rollback")):
        bench.file.path("r1").unlink(missing_ok=True)
        bench.run(bench.set("workers"), bench.set("image"), Raises("x", StopRequested("stop")))
        bench.file.append(Event("r1", datetime.now(UTC), "run", "undoing", {"cause": cause}))
        other = Does("other")
        outcome = bench.run(other, bench.set("replicas"))
        assert (outcome.word, outcome.exit_code, outcome.message) == ("rolled_back", 4, message)
        assert (other.seen, bench.world.read()) == ([], BEGINNING)
        assert bench.events("restored") == ["image", "workers"]
        assert bench.events("undoing") == ["run"]


def test_the_display_sees_the_start_of_every_step_and_of_every_undo(bench: Bench) -> None:
    """The journal has what acts, the display also what begins; the first event is shown first."""
    first = Event("r1", datetime.now(UTC), "run", "started", {})
    bench.run(bench.set("workers"), Skip("x", "not configured"), Raises("y", StepFailed("no")), first=first)
    shown = [(event.key, event.event) for event in bench.seen]
    assert shown == [
        ("run", "started"),
        ("workers", "began"),
        ("workers", "intended"),
        ("workers", "applied"),
        ("x", "began"),
        ("x", "skipped"),
        ("y", "began"),
        ("y", "failed"),
        ("run", "undoing"),
        ("workers", "reverting"),
        ("workers", "restored"),
        ("run", "finished"),
    ]
    assert bench.doing == ["", *["workers"] * 3, *["x"] * 2, *["y"] * 2, *["the revert"] * 4]
    assert [(each.key, each.event) for each in bench.file.events("r1")] == [
        pair for pair in shown[1:] if pair[1] not in {"began", "reverting"}
    ]
    intended = bench.last("intended")
    assert intended == {
        "kind": "number",
        "names": ["workers"],
        "before": {"workers": 1},
        "to": {"workers": 7},
    }
    assert bench.last("skipped") == {"reason": "not configured"}
    assert 0 <= bench.last("applied")["seconds"] < 60


def test_a_bug_in_a_rollback_is_5_and_open_only_if_a_revert_is_left(bench: Bench) -> None:
    """Otherwise 1, and the run has ended."""
    bench.run(bench.set("workers"), Raises("x", StopRequested("stop")))
    plan = (Raises("y", ValueError("a bug")), Restore("start", of="workers"))
    outcome = bench.run(*plan, on=CONTINUE)
    assert (outcome.exit_code, outcome.ended, bench.world.read()) == (1, True, BEGINNING)
    bench.file.path("r1").unlink()
    bench.run(bench.set("workers"), Raises("x", StopRequested("stop")))
    bench.world.write("workers", 5)
    outcome = bench.run(*plan, on=CONTINUE)
    assert (outcome.exit_code, outcome.ended, bench.world.read()["workers"]) == (5, False, 5)
