"""Evidence is what an undo reads: it is never masked, and a known secret does not get into it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.model import Change
from cartctl.engine.outcome import OnFailure, Outcome
from cartctl.engine.pulse import Pulse
from cartctl.engine.state import State
from cartctl.errors import StepFailed
from cartctl.redaction import redact, register
from tests.engine import toy
from tests.engine.test_runner import Free

LOOKS_SECRET = 'redis://u:hunter2@h password=hunter2 Bearer hunter2hunter2 {"token": "hunter2"}'


class Words(Change[str]):
    """Sets texts in a file; `fail` is what it says after it has set them."""

    kind: ClassVar[str] = "words"
    value: ClassVar[Any] = str

    def __init__(
        self, key: str, names: tuple[str, ...], place: Path, expected: str = "", fail: str = ""
    ) -> None:
        self.key, self.names, self._place, self._wanted, self._fail = key, names, place, expected, fail

    def observe(self, names: tuple[str, ...]) -> dict[str, str]:
        """The texts now."""
        held = json.loads(self._place.read_text())
        return {name: held[name] for name in names}

    def target(self, before: Mapping[str, str]) -> dict[str, str]:
        """All as wanted."""
        return dict.fromkeys(before, self._wanted)

    def move(self, to: Mapping[str, str], pulse: Pulse) -> None:
        """Write them, then fail where it must."""
        self._place.write_text(json.dumps({**json.loads(self._place.read_text()), **to}))
        if self._fail:
            raise StepFailed(self._fail)


class Late(Words):
    """A change during which a secret is resolved."""

    def move(self, to: Mapping[str, str], pulse: Pulse) -> None:
        """Know the secret, then change."""
        register("AlphaBravo")
        super().move(to, pulse)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one text; its changes are rebuilt from evidence."""
    path = tmp_path / "texts.json"
    monkeypatch.setitem(toy.KINDS, "words", lambda key, names: Words(key, names, path))
    return path


def run(place: Path, *plan: Words, on_failure: OnFailure = OnFailure.UNDO) -> tuple[Outcome, FileJournal]:
    """A run of these steps, and its journal."""
    file = FileJournal(place.parent / "runs")
    outcome = toy.travel(plan, State("r1"), ReplicatedJournal(file, []), Free(), on_failure=on_failure)
    return outcome, file


@pytest.mark.parametrize("to", ("new", LOOKS_SECRET + " 2"))
def test_an_undo_restores_what_resembles_a_secret(place: Path, to: str) -> None:
    """The journal keeps the values as they are, whatever patterns would make of them; its sentences are masked."""
    assert redact(LOOKS_SECRET) != LOOKS_SECRET
    place.write_text(json.dumps({"text": LOOKS_SECRET}))
    outcome, file = run(place, Words("words", ("text",), place, to, fail=f"refused {LOOKS_SECRET}"))
    assert (outcome.word, outcome.exit_code) == ("rolled_back", 4)
    assert json.loads(place.read_text()) == {"text": LOOKS_SECRET}
    kept = {event.event: event.data for event in file.events("r1")}
    assert (kept["intended"]["before"], kept["intended"]["to"]) == ({"text": LOOKS_SECRET}, {"text": to})
    assert "hunter2" not in str((kept["failed"], kept["undoing"]))


def test_a_secret_that_is_known_later_changes_no_evidence(place: Path) -> None:
    """One that is resolved after a value was journalled leaves the undo what it needs."""
    place.write_text(json.dumps({"text": "AlphaBravo"}))
    late = Late("words", ("text",), place, "new")
    outcome, file = run(place, late, Words("more", ("text",), place, "newer", fail="AlphaBravo is away"))
    assert outcome.word == "rolled_back"
    assert json.loads(place.read_text()) == {"text": "AlphaBravo"}
    intended = next(event for event in file.events("r1") if event.event == "intended")
    assert intended.data["before"] == {"text": "AlphaBravo"}
    failed = next(event for event in file.events("r1") if event.event == "failed")
    assert failed.data["message"] == "*** is away"


@pytest.mark.parametrize(("before", "to"), (("Alpha%2FBravo", "x"), ("x", "Alpha/Bravo:1")))
def test_a_known_secret_does_not_become_evidence(place: Path, before: str, to: str) -> None:
    """Refused before anything is moved, naming the value and not what it holds."""
    register("Alpha/Bravo")
    place.write_text(json.dumps({"text": before}))
    outcome, file = run(place, Words("words", ("text",), place, to))
    assert (outcome.word, outcome.exit_code) == ("failed", 3)
    assert "the value of text" in outcome.message
    assert json.loads(place.read_text()) == {"text": before}
    assert "Bravo" not in file.path("r1").read_text() + outcome.message


def test_a_rollback_is_not_refused_for_it(place: Path) -> None:
    """In need, putting things right goes first."""
    register("AlphaBravo")
    place.write_text(json.dumps({"text": "AlphaBravo"}))
    outcome, _ = run(place, Words("words", ("text",), place, "x"), on_failure=OnFailure.CONTINUE)
    assert (outcome.word, json.loads(place.read_text())) == ("succeeded", {"text": "x"})
