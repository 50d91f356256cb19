"""The interface through which a run reports to its display; `render` implements it."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from cartctl.engine.events import Event
from cartctl.engine.report import RunReport

PlanRows: TypeAlias = Sequence[tuple[str, str, str]]  # (phase, key, what it does)


class View(Protocol):
    """Receives a run's start, events, progress and report."""

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """A run starts or resumes; the rows are its plan, in order."""

    def event(self, event: Event) -> None:
        """An event of the run, including `began`, which is not in the journal. Called from the thread that runs the plan."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """Progress of the current step. Any thread may call it."""

    def finished(self, report: RunReport) -> None:
        """The run has ended."""
