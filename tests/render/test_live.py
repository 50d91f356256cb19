"""The live view: every frame fits its terminal, whatever is in it."""

import io
from collections.abc import Iterable

import pytest

from cartctl.engine.events import Event
from cartctl.engine.report import report
from cartctl.render.drawing import Console, Text
from cartctl.render.run.live import LiveView, draw
from cartctl.render.run.model import Board
from tests.render.story import ROWS, RUN, at, failure, half, success


def frame(events: Iterable[Event], width: int, height: int = 50, *, progress: bool = False) -> list[str]:
    """The lines of one frame, on a board whose clock stands still."""
    board = Board(clock=lambda: 60.0)
    board.start(RUN, ROWS)
    for event in events:
        board.take(event)
    if progress:
        board.advance(12.5 * 1024**2, 30 * 1024**2, "bytes")
    console = Console(io.StringIO(), width=width, height=height)
    with console.capture() as capture:
        console.print(draw(board, width, height, Text("*")))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", (60, 80, 100, 120, 200))
@pytest.mark.parametrize("height", (10, 24, 50))
@pytest.mark.parametrize("events", (list(half()), success(), failure()))
def test_a_frame_never_wraps(events: list[Event], width: int, height: int) -> None:
    """A row is a line at every width: long texts are cut, and nothing is wider than the terminal."""
    lines = frame(events, width, height, progress=True)
    assert max(map(len, lines)) <= min(width, 110)
    named = [line for line in lines if " migrate " in line]
    assert len(named) <= 1
    steps, phases = len(ROWS), len({phase for phase, _, _ in ROWS})
    assert len(lines) <= 2 + steps + phases


@pytest.mark.parametrize("height", (12, 16, 24))
def test_a_frame_fits_its_height(height: int) -> None:
    """On a low terminal the phases away from the running step are one line each."""
    lines = frame(half(), 80, height)
    assert len(lines) < height
    assert any("release.api" in line for line in lines)


def test_a_high_terminal_shows_every_step() -> None:
    """Where there is room nothing is folded."""
    text = "\n".join(frame(half(), 80))
    assert all(key in text for _, key, _ in ROWS)


def test_steps_have_a_sign_and_a_time() -> None:
    """Done, running, waiting and skipped steps differ also without colours."""
    lines = frame(half(), 80)
    by_key = {line.split()[1]: line for line in lines if len(line.split()) > 1}
    assert by_key["snapshot"].startswith("✓")
    assert by_key["snapshot"].endswith("2.0 s")
    assert by_key["release.api"].startswith("*")
    assert by_key["monitor"].startswith("·")
    assert by_key["announce"].startswith("- announce")
    assert by_key["announce"].endswith("not configured")


def test_progress_is_a_bar_with_figures() -> None:
    """What is counted shows how far it is."""
    line = next(line for line in frame(half(), 80, progress=True) if "release.api" in line)
    assert "12.5 MiB of 30.0 MiB" in line
    assert "━" in line


def test_rolling_back_reports_its_cause_on_one_line() -> None:
    """The cause stands above the steps, cut to the width."""
    lines = frame(failure(), 80)
    assert lines[1].startswith("rolling back: endpoints: stats: 500")
    assert lines[1].endswith("…")
    assert any(line.startswith("↩ release.api") and "reverted" in line for line in lines)
    assert any(line.startswith("✗ prewarm") for line in lines)


def test_the_report_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is drawn on its console; the summary is a result."""
    drawn = io.StringIO()
    console = Console(drawn, force_terminal=True, width=80, height=40, no_color=True)
    with LiveView(console) as view:
        view.started(RUN, ROWS)
        for event in success():
            view.event(event)
            view.progress(1, 2, "replicas")
        view.finished(report(success()))
    assert "release.api" in drawn.getvalue()
    out = capsys.readouterr().out
    assert "succeeded" in out
    assert "release.api" not in out


def test_a_run_that_dies_gives_the_terminal_back() -> None:
    """The cursor is shown again when an error passes through."""
    drawn = io.StringIO()
    console = Console(drawn, force_terminal=True, width=80, height=40)

    def die() -> None:
        with LiveView(console) as view:
            view.started(RUN, ROWS)
            view.event(at(0, "preflight", "began"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die()
    assert drawn.getvalue().rfind("\x1b[?25h") > drawn.getvalue().rfind("\x1b[?25l")


@pytest.mark.parametrize("no_color", (True, False))
def test_colours_are_omitted_when_not_wanted(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    """NO_COLOR and --no-color leave signs and no colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    drawn = io.StringIO()
    console = Console(drawn, force_terminal=True, width=80, height=40, no_color=no_color)
    with LiveView(console) as view:
        view.started(RUN, ROWS)
        for event in success():
            view.event(event)
        view.finished(report(success()))
    assert ("\x1b[32m" in drawn.getvalue()) is not no_color
