"""A run as timestamped lines, for logs and pipes; and as its report alone."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TextIO

from cartctl.engine.events import RUN, Event, EventKind
from cartctl.engine.report import RunReport
from cartctl.engine.view import PlanRows
from cartctl.render.amounts import duration, share
from cartctl.render.run.broken_pipe import enduring

PROGRESS_EVERY = 15.0  # seconds between two lines of progress
_VERBOSE_ONLY = {EventKind.INTENDED, EventKind.BEGAN}
_WORDS: Mapping[str, str] = {
    EventKind.APPLIED: "done",
    EventKind.RESTORED: "reverted",
    EventKind.UNDO_FAILED: "could not be reverted",
    EventKind.UNDOING: "rolling back",
}


class QuietView:
    """Writes nothing but the report."""

    def __init__(self, results: TextIO) -> None:
        self._results = enduring(results)

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """Write nothing."""

    def event(self, event: Event) -> None:
        """Write nothing."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """Write nothing."""

    def finished(self, report: RunReport) -> None:
        """Write the report on the results' stream."""
        from cartctl.render.renderers import write
        from cartctl.render.text.runs import Summary

        write(Summary(report), self._results)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release nothing."""


class PlainView(QuietView):
    """One line per event, with its time in UTC; progress at most every 15 seconds."""

    def __init__(
        self,
        lines: TextIO,
        results: TextIO,
        *,
        verbose: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(results)
        self._lines = enduring(lines)
        self._verbose = verbose
        self._clock = clock
        self._at = ""
        self._last_line = clock()

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """Write the run's id and its number of steps."""
        self._say(datetime.now(UTC), f"run {run_id}: {len(plan_rows)} steps")

    def event(self, event: Event) -> None:
        """Write one line, except for the start of a step and the end of the run, which the report shows."""
        if event.event in _VERBOSE_ONLY:
            self._at, self._last_line = event.key, self._clock()
        if (event.event in _VERBOSE_ONLY and not self._verbose) or (
            event.key == RUN and event.event in {EventKind.STARTED, EventKind.FINISHED}
        ):
            return
        self._say(event.at, _line(event))

    def progress(self, done: float, total: float, unit: str) -> None:
        """Write a line if the last one is old enough."""
        if self._clock() - self._last_line >= PROGRESS_EVERY:
            self._last_line = self._clock()
            self._say(datetime.now(UTC), f"{self._at}: {share(done, total, unit)}")

    def _say(self, at: datetime, text: str) -> None:
        self._lines.write(f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
        self._lines.flush()


def _line(event: Event) -> str:
    seconds = event.data.get("seconds")
    took = f" in {duration(float(seconds))}" if seconds is not None else ""
    why = next((str(event.data[name]) for name in ("message", "reason", "cause") if event.data.get(name)), "")
    warned = f"warnings: {'; '.join(_warnings(event))}" if _warnings(event) else ""
    more = "".join(f": {text}" for text in (why, warned) if text)
    word = "done" if event.data.get("of", event.key) != event.key else _WORDS.get(event.event, event.event)
    return f"{event.key}: {word}{took}{more}"


def _warnings(event: Event) -> list[str]:
    result = event.data.get("result")
    return [str(one) for one in result.get("warnings", ())] if isinstance(result, dict) else []
