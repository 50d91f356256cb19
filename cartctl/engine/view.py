"""What a run needs of whatever watches it. How it is drawn is `render`'s."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from cartctl.engine.model import Event
from cartctl.engine.report import RunReport

PlanRows: TypeAlias = Sequence[tuple[str, str, str]]  # (phase, key, what it does)


class View(Protocol):
    """Sees a run from its beginning to its report."""

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """A run begins or goes on; the rows are its plan, in order."""

    def event(self, event: Event) -> None:
        """Something happened; `began`, which no journal keeps, is told too. Called from the thread that runs the plan."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """How far the current step is. Any thread may call it."""

    def finished(self, report: RunReport) -> None:
        """The run has ended."""
