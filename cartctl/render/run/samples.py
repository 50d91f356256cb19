"""The samples of a monitor on a terminal: a chart per metric, and each trigger with the time until it fires."""

import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.table import Table

from cartctl.adapters.metrics.source import Metric
from cartctl.measurements import measured
from cartctl.monitoring.scale import Scale
from cartctl.monitoring.tick import Measure, Tick
from cartctl.monitoring.triggers import TriggerState
from cartctl.render.amounts import duration
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.run.chart import Point, chart
from cartctl.render.verdict_styles import STYLE

NAMES = {
    Metric.DB_CONNECTIONS: "database connections",
    Metric.DB_LATENCY_P95: "database p95",
    Metric.ERROR_RATE: "error rate",
    Metric.API_LATENCY_P95: "api p95",
}
REMEMBERED = 200  # samples, more than a terminal has columns
GAP = 2  # columns between two charts
NARROW = 60  # columns, below which charts are one below another
HIGHEST = 5  # rows of a chart
QUIET = {"clear": "green", "pending": "yellow", "fired": "bold red"}


class Samples:
    """The samples so far. `clock` is monotonic seconds."""

    def __init__(self, scale: Scale, clock: Callable[[], float] = time.monotonic) -> None:
        self._scale = scale
        self._clock = clock
        self._points: dict[Metric, deque[Point]] = {}
        self._failures: dict[str, int] = {}  # of a critical endpoint, in a row
        self._sampled = clock()
        self.latest: Tick | None = None

    @property
    def alarming(self) -> bool:
        """Whether a trigger is pending or has fired."""
        return self.latest is not None and any(one.state != "clear" for one in self.latest.triggers)

    def add(self, tick: Tick) -> None:
        """Take in one sample."""
        for measure in tick.metrics:
            points = self._points.setdefault(measure.name, deque(maxlen=REMEMBERED))
            points.append(Point(measure.value, measure.verdict))
        self._failures = {
            probe.name: 0 if probe.ok else self._failures.get(probe.name, 0) + 1 for probe in tick.probes
        }
        self.latest, self._sampled = tick, self._clock()  # last: another thread draws

    def draw(self, width: int, height: int, *, with_unicode: bool = True) -> RenderableType:
        """At most `height` lines of `width` columns: the charts as high as there is room."""
        if self.latest is None:
            return Text("waiting for the first sample", "dim")
        triggers = [self._trigger(one, width) for one in self.latest.triggers]
        side_by_side = width >= NARROW
        stacks = -(-len(self.latest.metrics) // (2 if side_by_side else 1)) or 1
        rows = max(1, min(HIGHEST, (height - len(triggers)) // stacks - 1))
        wide = (width - GAP) // 2 if side_by_side else width
        blocks = [
            self._metric(measure, wide, rows, with_unicode=with_unicode) for measure in self.latest.metrics
        ]
        return Group(*(_pairs(blocks, wide) if side_by_side else blocks), *triggers)

    def _metric(self, measure: Measure, width: int, rows: int, *, with_unicode: bool) -> Group:
        """Name, value and verdict, and below them the chart."""
        heading = Text(f"{NAMES[measure.name]}  ", no_wrap=True, overflow="ellipsis")
        heading.append(" ".join(_value(measure).split()), STYLE[measure.verdict])
        heading.truncate(width, overflow="ellipsis")
        points, limits = list(self._points[measure.name]), self._scale.limits[measure.name]
        return Group(heading, *chart(points, limits, width, rows, with_unicode=with_unicode))

    def _trigger(self, trigger: TriggerState, width: int) -> Text:
        line = Text(f"trigger {trigger.name:<16}", no_wrap=True)
        line.append(trigger.state, QUIET[trigger.state])
        if trigger.state == "pending":
            line.append(f" {self._pending(trigger)}", "yellow")
        elif trigger.detail:
            line.append(f" {' '.join(trigger.detail.split())}", QUIET[trigger.state])
        line.truncate(width, overflow="ellipsis")
        return line

    def _pending(self, trigger: TriggerState) -> str:
        """Its progress, and when it fires unless a good sample comes."""
        since = self._clock() - self._sampled
        if trigger.name == "critical_paths":
            name, worst = max(self._failures.items(), key=lambda one: one[1], default=("", 0))
            left = (self._scale.critical_failures - worst) * self._scale.every - since
            sofar = f"{name} failed {worst} of {self._scale.critical_failures} times"
        else:
            left = self._scale.rollback_after - trigger.for_seconds - since
            sofar = f"for {duration(trigger.for_seconds)}" + (f", {trigger.detail}" if trigger.detail else "")
        return f"{sofar}, fires in {duration(max(left, 0))}"


def _pairs(blocks: list[Group], wide: int) -> Iterator[RenderableType]:
    table = Table.grid(expand=False, padding=0)
    for gap in (0, GAP):
        table.add_column(width=wide + (GAP - gap), no_wrap=True, overflow="crop")
    for at in range(0, len(blocks), 2):
        table.add_row(*blocks[at : at + 2])
    yield table


def _value(measure: Measure) -> str:
    if not measure.verdict.decided or measure.value is None:
        return f"{measure.verdict}: {measure.detail}" if measure.detail else str(measure.verdict)
    shown = measured(measure.value, measure.unit)
    return shown if measure.verdict.value == "ok" else f"{shown} {measure.verdict}"
