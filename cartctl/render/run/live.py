"""A run on a terminal: its phases and steps with their times, a spinner at the running one, bars where progress is known."""

import sys
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table

from cartctl.engine.events import Event, EventKind
from cartctl.engine.report import RunReport
from cartctl.engine.view import PlanRows
from cartctl.monitoring.scale import Scale
from cartctl.monitoring.tick import Tick
from cartctl.render.amounts import duration, share
from cartctl.render.drawing import Console, Group, RenderableType, Text
from cartctl.render.output import guard
from cartctl.render.run.broken_pipe import enduring
from cartctl.render.run.model import Board, Mark, Row
from cartctl.render.run.samples import Samples

MAX_WIDTH = 110  # wider tables are harder to follow
FRAMES_PER_SECOND = 8
LEAST_SAMPLES = 8  # lines for the samples of the monitor
_BAR = 24
_KEY = 20

_STYLE = {
    Mark.WAITING: "dim",
    Mark.RUNNING: "bold cyan",
    Mark.DONE: "green",
    Mark.SKIPPED: "dim",
    Mark.FAILED: "bold red",
    Mark.UNDONE: "yellow",
    Mark.UNDO_FAILED: "bold red",
}
_SIGN = {
    Mark.WAITING: "·",
    Mark.DONE: "✓",
    Mark.SKIPPED: "-",
    Mark.FAILED: "✗",
    Mark.UNDONE: "↩",
    Mark.UNDO_FAILED: "✗",
}
_ASCII = {"·": ".", "✓": "+", "✗": "x", "↩": "<"}


class LiveView:
    """Draws the board of a run on stderr several times a second; the report goes to stdout."""

    def __init__(self, console: Console | None = None, *, no_color: bool = False) -> None:
        self._console = console or Console(
            enduring(sys.stderr), no_color=no_color
        )  # a run goes on when its terminal is closed
        self._board = Board()
        self._samples: Samples | None = None
        self._unicode = self._console.encoding.startswith("utf")
        self._spinner = Spinner("dots" if self._unicode else "line", style="bold cyan")
        self._live = Live(
            console=self._console,
            get_renderable=self._draw,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,  # results are never mixed with the drawing
            redirect_stderr=True,  # other output is shown above it
        )

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """Lay out the plan and begin to draw."""
        self._board.start(run_id, plan_rows)
        self._live.start()
        sys.stderr = guard(sys.stderr)  # rich's own is there now, and would read escape sequences as colours

    def event(self, event: Event) -> None:
        """Fold the event in; the next frame shows it."""
        self._board.take(event)
        if event.event in {
            EventKind.UNDOING,
            EventKind.REVERTING,
        }:  # shown also where it lasts less than a frame
            self._live.refresh()

    def progress(self, done: float, total: float, unit: str) -> None:
        """Shown beside the running step."""
        self._board.advance(done, total, unit)

    def sampled(self, tick: Tick, scale: Scale) -> None:
        """Shown below the steps while the run monitors, and whenever a trigger is pending."""
        if self._samples is None:
            self._samples = Samples(scale)
        self._samples.add(tick)

    def finished(self, report: RunReport) -> None:
        """Leave the last frame standing, then the report on stdout."""
        from cartctl.render.renderers import write
        from cartctl.render.text.runs import Summary

        self._live.stop()
        write(Summary(report), enduring(sys.stdout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal in any case."""
        self._live.stop()

    def _draw(self) -> RenderableType:
        width, height = min(self._console.width, MAX_WIDTH), self._console.height
        samples = self._shown_samples()
        if samples is None:
            return draw(self._board, width, height, self._spinner, with_unicode=self._unicode)
        room = max(height // 2, LEAST_SAMPLES)
        board = draw(self._board, width, height - room, self._spinner, with_unicode=self._unicode)
        return Group(board, Text(), samples.draw(width, room - 2, with_unicode=self._unicode))

    def _shown_samples(self) -> Samples | None:
        row = self._board.current()
        visible = self._samples is not None and (
            (row is not None and row.key == "monitor") or self._samples.alarming
        )
        return self._samples if visible else None


def draw(
    board: Board, width: int, height: int, spinner: RenderableType, *, with_unicode: bool = True
) -> Group:
    """One frame, at most `height` lines of `width` columns: finished and distant phases are folded into one line each."""
    width = min(width, MAX_WIDTH)
    frame = _Frame(width, spinner, with_unicode=with_unicode)
    parts: list[RenderableType] = [frame.heading(board)]
    if board.cause:
        cause = Text(f"rolling back: {' '.join(board.cause.split())}", "yellow")
        cause.truncate(width, overflow="ellipsis")
        parts.append(cause)
    phases = list(board.phases())
    room = height - len(parts) - 1
    folded = _folded(phases, room)
    for at, (phase, rows) in enumerate(phases):
        parts.append(frame.folded(phase, rows) if at in folded else frame.open(board, phase, rows))
    return Group(*parts)


def _folded(phases: list[tuple[str, list[Row]]], room: int) -> set[int]:
    """The phases shown as one line: as few as the height requires, those farthest from the current step first."""
    lines = sum(len(rows) + 1 for _, rows in phases)
    lively = [at for at, (_, rows) in enumerate(phases) if any(row.lively for row in rows)]
    waiting = [at for at, (_, rows) in enumerate(phases) if any(row.mark is Mark.WAITING for row in rows)]
    here = (lively or waiting or [len(phases) - 1])[0]
    folded: set[int] = set()
    for at in sorted(range(len(phases)), key=lambda at: -abs(at - here)):
        if lines <= room or at == here:
            break
        folded.add(at)
        lines -= len(phases[at][1])
    return folded


class _Frame:
    """Draws the parts of one frame, all of one width."""

    def __init__(self, width: int, spinner: RenderableType, *, with_unicode: bool) -> None:
        self._width = width
        self._spinner = spinner
        self._unicode = with_unicode

    def heading(self, board: Board) -> Table:
        """Plan, environment and run on the left, the time so far on the right."""
        table = Table.grid(expand=False, padding=(0, 1))
        table.add_column(width=self._width - 12, no_wrap=True, overflow="ellipsis")
        table.add_column(width=10, justify="right", no_wrap=True)
        name = Text.assemble((board.title or "run", "bold"), (f"  {board.run}", "dim"))
        table.add_row(name, Text(duration(board.clock() - board.since)))
        return table

    def folded(self, phase: str, rows: list[Row]) -> Table:
        """A phase on one line."""
        table = self._table()
        mark = _worst(rows)
        seconds = sum(row.seconds or 0 for row in rows)
        took = "" if mark is Mark.WAITING else duration(seconds)
        table.add_row(
            self._sign(mark), Text(phase, "bold"), Text(f"{len(rows)} steps", "dim"), Text(took, "dim")
        )
        return table

    def open(self, board: Board, phase: str, rows: list[Row]) -> Group:
        """A phase with a line per step."""
        table = self._table()
        for row in rows:
            seconds = board.elapsed(row)
            took = "" if seconds is None or row.mark is Mark.SKIPPED else duration(seconds)
            style = "dim" if row.mark in {Mark.WAITING, Mark.SKIPPED} else ""
            table.add_row(self._sign(row.mark), Text(row.key, style), self._detail(row), Text(took, "dim"))
        return Group(Text(phase, "bold"), table)

    def _table(self) -> Table:
        table = Table.grid(expand=False, padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=_KEY, no_wrap=True, overflow="ellipsis")
        table.add_column(width=self._width - _KEY - 1 - 11 - 4, no_wrap=True, overflow="ellipsis")
        table.add_column(width=11, justify="right", no_wrap=True)
        return table

    def _sign(self, mark: Mark) -> RenderableType:
        if mark is Mark.RUNNING:
            return self._spinner
        sign = _SIGN[mark]
        return Text(sign if self._unicode else _ASCII.get(sign, sign), _STYLE[mark])

    def _detail(self, row: Row) -> RenderableType:
        if row.progress is not None and row.mark is Mark.RUNNING:
            return _counted(*row.progress)
        bad = row.mark in {Mark.FAILED, Mark.UNDO_FAILED}
        if row.mark is Mark.UNDONE:
            return Text("reverted", "yellow")
        return Text(" ".join((row.note or row.does).split()), "red" if bad else "dim")


def _counted(done: float, total: float, unit: str) -> RenderableType:
    """A bar with its figures; figures alone when the total is unknown."""
    table = Table.grid(padding=(0, 1))
    figures = Text(share(done, total, unit), "cyan", no_wrap=True)
    if total > 0:
        bar = ProgressBar(
            total=total, completed=min(done, total), width=_BAR, complete_style="cyan", finished_style="cyan"
        )
        table.add_row(bar, figures)
    else:
        table.add_row(figures)
    return table


def _worst(rows: list[Row]) -> Mark:
    """The state of a phase as a whole."""
    marks = {row.mark for row in rows}
    order = (Mark.UNDO_FAILED, Mark.FAILED, Mark.RUNNING, Mark.UNDONE)
    if worst := next((mark for mark in order if mark in marks), None):
        return worst
    if Mark.WAITING in marks:
        return Mark.WAITING
    return Mark.DONE if Mark.DONE in marks else Mark.SKIPPED
