"""The page of a run that this command executes, written when it has ended, whatever the outcome."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from cartctl.engine.events import Event
from cartctl.engine.report import RunReport
from cartctl.engine.view import PlanRows, View
from cartctl.errors import CartctlError
from cartctl.monitoring.scale import Scale
from cartctl.monitoring.tick import Tick
from cartctl.plans.execution.run_monitor import SampleView
from cartctl.plans.reports.run_record import read_record
from cartctl.ports import Ports
from cartctl.render.html.page import write_page

Watched: TypeAlias = Callable[[View], View]


class RunView:
    """A view that remembers the run's ID."""

    def __init__(self, view: View, started: Callable[[str], None]) -> None:
        self._view = view
        self._started = started

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """Passed on, with the ID remembered."""
        self._started(run_id)
        self._view.started(run_id, plan_rows)

    def event(self, event: Event) -> None:
        """Passed on."""
        self._view.event(event)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Passed on."""
        self._view.progress(done, total, unit)

    def sampled(self, tick: Tick, scale: Scale) -> None:
        """Passed on to a view that shows samples."""
        if isinstance(self._view, SampleView):
            self._view.sampled(tick, scale)

    def finished(self, report: RunReport) -> None:
        """Passed on."""
        self._view.finished(report)


@contextmanager
def report_written(ports: Ports, path: Path | None, say: Callable[[str], None]) -> Iterator[Watched]:
    """Write the page of the run that the block executes with the view it wraps; nothing without a path or a run.

    A page that cannot be written is reported in a sentence and does not change how the run ended.
    """
    runs: list[str] = []
    try:
        yield lambda view: RunView(view, runs.append)
    finally:
        if path is not None and runs:
            _write(ports, runs[-1], path, say)


def _write(ports: Ports, run: str, path: Path, say: Callable[[str], None]) -> None:
    try:
        write_page(read_record(ports, run), path)
    except CartctlError as failed:
        say(f"The report was not written: {failed.message} Later: cartctl report {run} --html {path}")
    else:
        say(f"Wrote the report of run {run} to {path}.")
