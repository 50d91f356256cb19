"""Views of a run: the extension point that receives the events of deploy and rollback, and the choice of a view."""

import os
import sys
from types import TracebackType
from typing import Protocol, Self

from cartctl.engine import view as engine

DUMB = {"dumb", "unknown", ""}  # terminals that cannot move the cursor


class View(engine.View, Protocol):
    """Receives a run's events, open while it runs. Progress goes to stderr, results to stdout."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def choose_view(*, as_json: bool, quiet: bool = False, verbose: bool = False, no_color: bool = False) -> View:
    """NDJSON if requested, a live table on a terminal, timestamped lines without one."""
    from cartctl.render.run.lines import PlainView, QuietView
    from cartctl.render.run.ndjson import NdjsonView

    if as_json:
        return NdjsonView(sys.stdout)
    if quiet:
        return QuietView(sys.stdout)
    if sys.stderr.isatty() and not verbose and os.environ.get("TERM") not in DUMB:
        from cartctl.render.run.live import LiveView

        return LiveView(no_color=no_color)
    return PlainView(sys.stderr, sys.stdout, verbose=verbose)
