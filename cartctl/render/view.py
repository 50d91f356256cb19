"""How a run is watched: the plug point that deploy and rollback tell their events to, and the choice between its variants."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from cartctl.engine.model import Event
from cartctl.engine.report import RunReport

PlanRows: TypeAlias = Sequence[tuple[str, str, str]]  # (phase, key, what it does)


class View(Protocol):
    """Sees a run from its beginning to its report. Progress goes to stderr, results to stdout."""

    def started(self, run_id: str, plan_rows: PlanRows) -> None:
        """A run begins or goes on; the rows are its plan, in order."""

    def event(self, event: Event) -> None:
        """Something happened. Called from the thread that runs the plan."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """How far the current step is. Any thread may call it."""

    def finished(self, report: RunReport) -> None:
        """The run has ended."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def choose_view(*, as_json: bool, quiet: bool = False, verbose: bool = False, no_color: bool = False) -> View:
    """NDJSON when asked for, a live table on a terminal, timestamped lines without one."""
    from cartctl.render.ndjson import NdjsonView
    from cartctl.render.plain import PlainView, QuietView

    if as_json:
        return NdjsonView(sys.stdout)
    if quiet:
        return QuietView(sys.stdout)
    if sys.stderr.isatty() and not verbose:
        from cartctl.render.live import LiveView

        return LiveView(no_color=no_color)
    return PlainView(sys.stderr, sys.stdout, verbose=verbose)
