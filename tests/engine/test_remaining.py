"""What an immediate stop leaves in place, and what it tells and journals."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cartctl.engine.events import Event
from cartctl.engine.journal.replicated_journal import ReplicatedJournal
from cartctl.engine.journal.stores import FileJournal
from cartctl.engine.model import Evidence
from cartctl.engine.pulse import Pulse
from cartctl.engine.remaining import VALUE_CHARACTERS, Stopping, describe_remaining
from cartctl.engine.signals import StopNow
from cartctl.engine.state import State, fold
from cartctl.errors import Interrupted


def state(**evidence: Evidence) -> State:
    """A run with open changes."""
    return State("r1", evidence=evidence)


def number(before: object, *to: object) -> Evidence:
    """A change of one value n."""
    return Evidence("number", ("n",), {"n": before}, tuple({"n": each} for each in to))


def test_every_open_change_is_named_with_its_values() -> None:
    """In words where there are some; the newest target counts; images by their reference."""
    left = describe_remaining(
        state(
            workers=number(1, 0),
            prewarm=number(2, 9, 3),
            image=number({"ref": "1.0", "digest": "x"}, {"ref": "2.0", "digest": "y"}),
            new=number(None, "on"),
        ),
        {"workers": "workers stopped"},
    )
    assert left == (
        "Still in place: workers stopped (n 1 → 0); prewarm (n 2 → 3); image (n 1.0 → 2.0); new (n none → on)."
    )
    assert describe_remaining(state(), {}) == "None of its changes is in place."


def test_values_that_say_nothing_are_omitted() -> None:
    """Equal ones, ones without a target, and ones that are longer than a line can take."""
    fits, longer = "x" * VALUE_CHARACTERS, "x" * (VALUE_CHARACTERS + 1)
    assert describe_remaining(state(a=number(1, 1)), {}) == "Still in place: a."
    assert describe_remaining(state(a=number(None)), {}) == "Still in place: a."
    assert describe_remaining(state(a=number(1)), {}) == "Still in place: a (n 1 → none)."
    assert describe_remaining(state(a=number("", longer)), {}) == "Still in place: a."
    assert describe_remaining(state(a=number(longer, "")), {}) == "Still in place: a."
    assert describe_remaining(state(a=number("", fits)), {}) == f"Still in place: a (n  → {fits})."
    assert VALUE_CHARACTERS == 40
    several = Evidence("number", ("n", "m", "o"), {"n": 1, "m": 1, "o": 1}, ({"n": 2, "m": 1, "o": 3},))
    assert describe_remaining(state(a=several), {}) == "Still in place: a (n 1 → 2, o 1 → 3)."


@pytest.mark.parametrize("changed", (True, False))
def test_a_second_signal_ends_the_run_with_what_remains(tmp_path: Path, changed: bool) -> None:
    """The run stays open if it has changed something; its last event says what the operator read."""
    journal = FileJournal(tmp_path)
    journal.append(Event("r1", datetime.now(UTC), "run", "started", {"plan": "deploy"}))
    open_run = state(workers=number(1, 0)) if changed else state()
    stopping = Stopping(
        open_run, ReplicatedJournal(journal, []), {}, "cartctl deploy --resume", lambda: changed
    )
    pulse = Pulse()
    pulse.doing = "release.api"
    left = "Still in place: workers (n 1 → 0)." if changed else "None of its changes is in place."

    def stop_now() -> None:
        assert pulse.remaining
        assert pulse.remaining().message == f"Stopped at once during release.api. {left}"
        raise StopNow

    with pytest.raises(Interrupted) as stop, stopping.at_once(pulse):
        stop_now()
    assert (stop.value.message, stop.value.hint) == (
        f"Stopped at once during release.api. {left}",
        "Next: cartctl deploy --resume",
    )
    assert pulse.remaining is None
    last = journal.events("r1")[-1]
    assert (last.key, last.event) == ("run", "interrupted" if changed else "finished")
    assert (last.data["outcome"], last.data["exit_code"], last.data["message"]) == (
        "interrupted",
        130,
        stop.value.message,
    )
    assert last.data["next_command"] == "cartctl deploy --resume"
    assert fold("r1", journal.events("r1")).finished is not changed


class Full(FileJournal):
    """A journal that takes nothing."""

    def append(self, event: Event) -> None:
        """Never."""
        raise OSError(28, "No space left on device")


def test_a_full_journal_does_not_hide_what_remains(tmp_path: Path) -> None:
    """Neither the database's nor the local one; another exception is not taken for a signal."""
    broken = ReplicatedJournal(Full(tmp_path), [Full(tmp_path)])
    stopping = Stopping(state(a=number(1, 2)), broken, {}, "x", lambda: True)
    still = r"^Stopped at once\. Still in place: a \(n 1 → 2\)"
    with pytest.raises(Interrupted, match=still), stopping.at_once(Pulse()):
        raise StopNow
    pulse = Pulse()
    with pytest.raises(ValueError, match="a bug"), stopping.at_once(pulse):
        raise ValueError("a bug")
    assert pulse.remaining is None


def test_a_lost_database_does_not_keep_the_end_from_the_local_journal(tmp_path: Path) -> None:
    """It is optional from then on."""
    file = FileJournal(tmp_path)
    journal = ReplicatedJournal(Full(tmp_path), [file])
    with pytest.raises(Interrupted), Stopping(state(), journal, {}, "x", lambda: True).at_once(Pulse()):
        raise StopNow
    assert [event.event for event in file.events("r1")] == ["interrupted"]
