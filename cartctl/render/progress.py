"""Progress of a command that is not a run: a bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cartctl.engine.pulse import Progress as Report
from cartctl.render.amounts import share
from cartctl.render.drawing import Console


@contextmanager
def shown(what: str, *, quiet: bool = False, no_color: bool = False) -> Iterator[Report]:
    """Gives the function that takes done, total and unit; the bar vanishes at the block's end."""
    console = Console(sys.stderr, no_color=no_color)
    if quiet or not console.is_terminal:
        yield lambda *_: None
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

        def report(done: float, total: float, unit: str) -> None:
            bar.update(
                task, completed=min(done, total), total=total or None, figures=share(done, total, unit)
            )

        yield report
