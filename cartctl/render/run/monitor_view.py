"""`cartctl monitor` as it happens: charts on a terminal, a line per sample without one, NDJSON for programs."""

import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.live import Live
from rich.table import Table

from cartctl.monitoring.scale import Scale
from cartctl.monitoring.tick import Tick
from cartctl.render.amounts import duration
from cartctl.render.drawing import Console, Group, RenderableType, Text
from cartctl.render.output import guard
from cartctl.render.run.broken_pipe import enduring
from cartctl.render.run.samples import Samples
from cartctl.render.run.view import DUMB

FRAMES_PER_SECOND = 4
MAX_WIDTH = 110  # wider charts are harder to follow
WIDTH_OF_TIME = 18


class MonitorView(Protocol):
    """Receives samples and the elapsed time, open while the monitor runs. Thread-safe."""

    def sampled(self, tick: Tick) -> None:
        """One sample."""

    def progress(self, done: float, total: float, unit: str) -> None:
        """The elapsed seconds and the total."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def choose_monitor_view(
    title: str, scale: Scale, show_sample: Callable[[Tick], None], *, plain: bool, no_color: bool = False
) -> MonitorView:
    """Charts where results and progress both go to a terminal; `tell` for each sample elsewhere, and with `plain`."""
    terminal = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") not in DUMB
    if plain or not terminal:
        return LinesView(show_sample)
    return ChartsView(title, scale, no_color=no_color)


class LinesView:
    """A result per sample."""

    def __init__(self, show_sample: Callable[[Tick], None]) -> None:
        self._show_sample = show_sample

    def sampled(self, tick: Tick) -> None:
        """Written at once."""
        self._show_sample(tick)

    def progress(self, done: float, total: float, unit: str) -> None:
        """Write nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release nothing."""


class ChartsView:
    """Draws on stderr; the last frame stays."""

    def __init__(
        self, title: str, scale: Scale, *, console: Console | None = None, no_color: bool = False
    ) -> None:
        self._console = console or Console(enduring(sys.stderr), no_color=no_color)
        self._samples = Samples(scale)
        self._title = title
        self._left: float | None = None
        self._live = Live(
            console=self._console,
            get_renderable=self.draw,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,  # results are never mixed with the drawing
            redirect_stderr=True,  # other output is shown above it
        )

    def sampled(self, tick: Tick) -> None:
        """The next frame shows it."""
        self._samples.add(tick)

    def progress(self, done: float, total: float, unit: str) -> None:  # noqa: ARG002 - seconds
        """The heading counts down."""
        self._left = max(total - done, 0.0)

    def __enter__(self) -> Self:
        self._live.start()
        sys.stderr = guard(sys.stderr)  # rich's own is there now
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal in any case."""
        self._live.stop()

    def draw(self) -> RenderableType:
        """One frame of the terminal's size: the heading, charts and triggers."""
        width = min(self._console.width, MAX_WIDTH)
        heading = Table.grid(expand=False, padding=0)
        heading.add_column(width=width - WIDTH_OF_TIME, no_wrap=True, overflow="ellipsis")
        heading.add_column(width=WIDTH_OF_TIME, justify="right", no_wrap=True)
        left = "" if self._left is None else f"{duration(self._left)} left"
        heading.add_row(Text(f"monitor {self._title}", "bold"), Text(left))
        unicode = self._console.encoding.startswith("utf")
        return Group(heading, self._samples.draw(width, self._console.height - 2, with_unicode=unicode))
