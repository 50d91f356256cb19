"""A chart of one metric in a few lines of text: a column per sample, and a line at each threshold."""

from collections.abc import Sequence
from dataclasses import dataclass

from cartctl.measurements import measured
from cartctl.monitoring.thresholds import Limits, MetricVerdict
from cartctl.render.drawing import Text
from cartctl.render.verdict_styles import STYLE

LABEL = 8  # columns of the thresholds' values, on the right
HEADROOM = 1.25  # of the critical threshold, at the top
EIGHTHS = 8
_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = " ..::||##"
_LINES = ("╌", "─")  # warning, critical
_ASCII_LINES = ("-", "=")
_MISSING = "·"
_ASCII_MISSING = "?"


@dataclass(frozen=True, slots=True)
class Point:
    """One sample of a metric; without a value it could not be measured or judged."""

    value: float | None
    verdict: MetricVerdict


def chart(
    points: Sequence[Point], limits: Limits, width: int, rows: int, *, with_unicode: bool = True
) -> list[Text]:
    """`rows` lines of `width` columns, the newest sample on the right. A single row has no lines for thresholds."""
    columns = width - LABEL
    shown = points[-columns:] if columns > 0 else ()
    top = max([limits.critical * HEADROOM, *(point.value for point in shown if point.value is not None)])
    drawing = _Drawing(top, rows, limits, with_unicode=with_unicode)
    lines = []
    for row in reversed(range(rows)):
        line = Text()
        for _ in range(columns - len(shown)):
            line.append(*drawing.background(row))
        for point in shown:
            line.append(*drawing.cell(point, row))
        line.append(*drawing.label(row))
        lines.append(line)
    return lines


class _Drawing:
    """The cells of one chart, whose top is `top` in the metric's unit."""

    def __init__(self, top: float, rows: int, limits: Limits, *, with_unicode: bool) -> None:
        self._per_row = top / rows
        self._unit = limits.unit
        self._blocks = _BLOCKS if with_unicode else _ASCII_BLOCKS
        self._missing = _MISSING if with_unicode else _ASCII_MISSING
        warning, critical = _LINES if with_unicode else _ASCII_LINES
        upper = self._row_of(limits.critical, rows)
        lower = min(self._row_of(limits.warning, rows), upper - 1)  # two lines, however close they are
        self._lines = {
            lower: (limits.warning, warning, "yellow"),
            upper: (limits.critical, critical, "red"),
        }
        if rows == 1:
            self._lines = {}

    def _row_of(self, value: float, rows: int) -> int:
        return min(int(value / self._per_row + 1e-9), rows - 1)

    def background(self, row: int) -> tuple[str, str]:
        """A threshold's line, or nothing."""
        _, sign, style = self._lines.get(row, (0.0, " ", ""))
        return sign, f"dim {style}".strip()

    def cell(self, point: Point, row: int) -> tuple[str, str]:
        """The part of a sample's column in a row."""
        if point.value is None or not point.verdict.decided:
            return (self._missing, STYLE[point.verdict]) if row == 0 else self.background(row)
        eighths = round((point.value / self._per_row - row) * EIGHTHS)
        if row == 0:
            eighths = max(eighths, 1)  # zero is a sample too
        if eighths <= 0:
            return self.background(row)
        return self._blocks[min(eighths, EIGHTHS)], STYLE[point.verdict]

    def label(self, row: int) -> tuple[str, str]:
        """The threshold's value beside its line."""
        if row not in self._lines:
            return " " * LABEL, ""
        at, _, style = self._lines[row]
        return f" {measured(at, self._unit):<{LABEL - 1}}", f"dim {style}"
