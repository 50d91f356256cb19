"""The order of the undos, and what the guard against external changes knows of a run's targets."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cartctl.engine.evidence import ModifiedExternally, refuse_modified
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.model import Change, Check, CheckResult, Checks, Evidence, Verdict
from cartctl.engine.outcome import OnFailure
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import State
from tests.engine import toy
from tests.engine.toy import KINDS


class Memory(Change[int]):
    """Numbers in memory that note each move."""

    kind = "memory"
    value = int
    numbers: dict[str, int]
    moves: list[tuple[str, int]]

    def __init__(self, key: str, names: tuple[str, ...], expected: int = 0) -> None:
        self.key, self.names, self._wanted = key, names, expected

    def observe(self, names: tuple[str, ...]) -> dict[str, int]:
        """The numbers now."""
        return {name: self.numbers[name] for name in names}

    def target(self, before: Mapping[str, int]) -> dict[str, int]:
        """All as wanted."""
        return dict.fromkeys(before, self._wanted)

    def move(self, to: Mapping[str, int], pulse: Pulse) -> None:
        """Set and note them."""
        for name, number in to.items():
            self.numbers[name] = number
            self.moves.append((name, number))


class Fails(Check):
    """A check that fails."""

    key = "health"

    def judge(self, pulse: Pulse) -> Checks:
        """Fail."""
        return Checks((CheckResult("health", Verdict.FAIL, "down", "up"),))


class Held:
    """A lock that is always held."""

    def confirm(self) -> None:
        """Held."""


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> type[Memory]:
    """Three numbers at 1 and no moves yet."""
    monkeypatch.setattr(Memory, "numbers", {"a": 1, "b": 1, "c": 1}, raising=False)
    monkeypatch.setattr(Memory, "moves", [], raising=False)
    monkeypatch.setitem(KINDS, "memory", Memory)
    return Memory


def test_changes_are_undone_newest_first(memory: type[Memory], tmp_path: Path) -> None:
    """A later change may rest on an earlier one: a release on the maintenance mode that hides it."""
    plan = (Memory("one", ("a",), 2), Memory("two", ("b",), 2), Memory("three", ("c",), 2), Fails())
    journal = FileJournal(tmp_path / "runs")
    outcome = toy.travel(plan, State("r1"), ReplicatedJournal(journal, []), Held(), on_failure=OnFailure.UNDO)
    assert outcome.word == "rolled_back"
    assert memory.moves[3:] == [("c", 1), ("b", 1), ("a", 1)]
    assert [event.key for event in journal.events("r1") if event.event == "restored"] == [
        "three",
        "two",
        "one",
    ]


@pytest.mark.parametrize("now", (1, 2, 3))
def test_every_target_of_a_run_is_its_own(memory: type[Memory], now: int) -> None:
    """A resumed run may have journalled a second target; a kill may have left the value at the first."""
    memory.numbers["a"] = now
    refuse_modified(Memory("one", ("a",)), Evidence("memory", ("a",), {"a": 1}, ({"a": 2}, {"a": 3})))


def test_a_value_that_is_no_target_was_changed_externally(memory: type[Memory]) -> None:
    """Neither the previous value nor a target: the undo is refused."""
    memory.numbers["a"] = 4
    with pytest.raises(ModifiedExternally, match="4"):
        refuse_modified(Memory("one", ("a",)), Evidence("memory", ("a",), {"a": 1}, ({"a": 2}, {"a": 3})))
