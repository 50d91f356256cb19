"""The state of a run at a moment: the plan's rows and the state of each, folded from its events."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby

from cartctl.engine.events import RUN, Event, EventKind
from cartctl.engine.view import PlanRows


class Mark(Enum):
    """The state of a step."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDONE = "undone"
    UNDO_FAILED = "undo failed"


_ENDS: Mapping[str, Mark] = {
    EventKind.APPLIED: Mark.DONE,
    EventKind.SKIPPED: Mark.SKIPPED,
    EventKind.FAILED: Mark.FAILED,
    EventKind.UNDO_FAILED: Mark.UNDO_FAILED,
}
_LIVELY = {Mark.RUNNING, Mark.FAILED, Mark.UNDO_FAILED}


@dataclass(slots=True)
class Row:
    """One step of the plan and its state; `began` is on the board's clock, in seconds."""

    phase: str
    key: str
    does: str
    mark: Mark = Mark.WAITING
    note: str = ""
    seconds: float | None = None
    began: float | None = None
    progress: tuple[float, float, str] | None = None
    failed: str | None = None  # why it failed, while it is being reverted

    @property
    def lively(self) -> bool:
        """Whether the row must be visible in any case."""
        return self.mark in _LIVELY


@dataclass(slots=True)
class Board:
    """The rows of one run. `clock` is monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    run: str = ""
    title: str = ""
    cause: str = ""  # why the run rolls back
    rows: list[Row] = field(default_factory=list)
    since: float = 0.0

    def start(self, run: str, plan_rows: PlanRows) -> None:
        """Lay out the plan."""
        self.run, self.since = run, self.clock()
        self.rows = [Row(*given) for given in plan_rows]

    def take(self, event: Event) -> None:
        """Fold one event in."""
        if event.key == RUN:
            self._take_run(event)
            return
        row = self._row(event.key)
        match event.event:
            case EventKind.BEGAN | EventKind.INTENDED:
                self._begin(row)
            case EventKind.REVERTING:
                self._revert(row)
            case EventKind.RESTORED:
                self._restored(row, event)
            case ended if ended in _ENDS:
                self._end(row, _ENDS[ended], event)

    def advance(self, done: float, total: float, unit: str) -> None:
        """Set the progress of the running step."""
        if row := self.current():
            row.progress = (done, total, unit)

    def current(self) -> Row | None:
        """The step that runs now."""
        return next((row for row in self.rows if row.mark is Mark.RUNNING), None)

    def phases(self) -> Iterator[tuple[str, list[Row]]]:
        """The rows by phase, in order."""
        for phase, rows in groupby(list(self.rows), key=lambda row: row.phase):
            yield phase, list(rows)

    def elapsed(self, row: Row) -> float | None:
        """Seconds a step took, or has taken so far."""
        if row.mark is Mark.RUNNING and row.began is not None:
            return self.clock() - row.began
        return row.seconds

    def _take_run(self, event: Event) -> None:
        if event.event in {EventKind.STARTED, EventKind.RESUMED}:
            self.title = " ".join(str(event.data[name]) for name in ("plan", "env") if name in event.data)
            for row in self.rows:
                row.mark = Mark.DONE if row.key in event.data.get("done", ()) else row.mark
        elif event.event == EventKind.UNDOING:
            self.cause = str(event.data.get("cause", "")) or "a step failed"

    def _row(self, key: str) -> Row:
        known = next((row for row in self.rows if row.key == key), None)
        if known is None:
            known = Row("Undo" if self.cause else "More", key, "")
            self.rows.append(known)
        return known

    def _begin(self, row: Row) -> None:
        if row.mark is not Mark.RUNNING:
            row.mark, row.began, row.note, row.failed = Mark.RUNNING, self.clock(), "", None

    def _revert(self, row: Row) -> None:
        """Mark the row as being reverted; afterwards a failed step still shows its failure."""
        row.mark, row.began, row.note, row.progress = Mark.RUNNING, self.clock(), "reverting", None

    def _restored(self, row: Row, event: Event) -> None:
        if event.data.get("of", event.key) != event.key:  # a step of the plan that reverts another one
            self._end(row, Mark.DONE, event)
        elif row.failed is not None:
            row.mark, row.note, row.progress = Mark.FAILED, f"reverted; {row.failed}", None
        else:
            self._end(row, Mark.UNDONE, event)

    def _end(self, row: Row, mark: Mark, event: Event) -> None:
        note = event.data.get("message") or event.data.get("reason") or _warnings(event)
        row.seconds = float(event.data["seconds"]) if "seconds" in event.data else self.elapsed(row)
        row.mark, row.progress = mark, None
        row.note = str(note)
        row.failed = row.note if mark is Mark.FAILED else None


def _warnings(event: Event) -> str:
    result = event.data.get("result")
    return "; ".join(map(str, result.get("warnings", ()))) if isinstance(result, dict) else ""
