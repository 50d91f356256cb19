"""Progress of a command that is not a run: a bar on a terminal; elsewhere nothing, or occasional lines."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cartctl.engine.pulse import Progress as Report
from cartctl.render.amounts import duration, share
from cartctl.render.drawing import Console

EVERY = 30.0  # seconds between two lines


@contextmanager
def shown(what: str, *, quiet: bool = False, no_color: bool = False, lines: bool = False) -> Iterator[Report]:
    """Yields a function of done, total and unit; the bar disappears at the end of the block.

    With `lines`, a stream that is not a terminal gets a line at most every 30 seconds.
    """
    console = Console(sys.stderr, no_color=no_color)
    if quiet or not console.is_terminal:
        yield progress_lines(what, sys.stderr.write) if lines and not quiet else lambda *_: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        TextColumn("{task.fields[figures]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, figures="")
        left = Remaining() if lines else None

        def report(done: float, total: float, unit: str) -> None:
            figures = share(done, total, unit) + (left(done, total, unit) if left else "")
            bar.update(task, completed=min(done, total), total=total or None, figures=figures)

        yield report


class Remaining:
    """The estimated remaining time, by the pace since the first report; `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage: tuple[float, str] | None = None

    def __call__(self, done: float, total: float, unit: str) -> str:
        """`, 3:05 min left`; empty while the pace is unknown."""
        if self._stage != (total, unit):
            self._stage, self._first, self._began = (total, unit), done, self._clock()
        made, elapsed = done - self._first, self._clock() - self._began
        if made <= 0 or elapsed <= 0:
            return ""
        return f", {duration((total - done) * elapsed / made)} left"


def progress_lines(
    what: str, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic
) -> Report:
    """A progress callback that writes a line at most every 30 seconds."""
    left, last = Remaining(clock), [clock()]

    def report(done: float, total: float, unit: str) -> None:
        remaining = left(done, total, unit)
        if clock() - last[0] >= EVERY:
            last[0] = clock()
            write(f"{what}: {share(done, total, unit)}{remaining}\n")

    return report
