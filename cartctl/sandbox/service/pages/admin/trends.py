"""The change of a figure against the previous period, and its course as a sparkline."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from markupsafe import Markup

from cartctl.sandbox.service.pages.formats import MINUS

_WIDTH, _HEIGHT = 100.0, 24.0  # size of a sparkline's view box


class Trend(NamedTuple):
    """A change in words, its direction, and whether it is `good`, `bad` or neutral."""

    text: str
    arrow: str
    kind: str


def points(now: Any, before: Any, *, rises: bool) -> Trend | None:
    """The difference of two ratios in percentage points; None where one is missing. `rises`: more is better."""
    if now is None or before is None:
        return None
    difference = (Decimal(now) - Decimal(before)) * 100
    return _trend(difference, f"{abs(difference):.1f} pp", rises=rises)


def percent(now: Any, before: Any) -> Trend | None:
    """The relative change of a number of which more is better; None if the previous one was zero."""
    if now is None or not before:
        return None
    difference = (Decimal(now) / Decimal(before) - 1) * 100
    return _trend(difference, f"{abs(difference):.1f} %", rises=True)


def sparkline(values: Sequence[Any]) -> Markup:
    """The course of some values from left to right as SVG, from 0 up; empty for fewer than two. None is a missing value."""
    known = [(number, float(value)) for number, value in enumerate(values) if value is not None]
    if len(known) < 2:  # noqa: PLR2004 - a line needs two points
        return Markup("")
    highest = max(value for _, value in known) or 1.0
    at = [(_WIDTH * number / (len(values) - 1), _HEIGHT * (1 - value / highest)) for number, value in known]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)
    area = f"{line}L{at[-1][0]:.1f} {_HEIGHT}L{at[0][0]:.1f} {_HEIGHT}Z"
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="area" d="{}"/><path d="{}"/></svg>'
    ).format(f"{_WIDTH:g}", f"{_HEIGHT:g}", area, line)


def _trend(difference: Decimal, text: str, *, rises: bool) -> Trend:
    if not round(difference, 1):
        return Trend("no change", "", "")
    up = difference > 0
    return Trend(f"{'+' if up else MINUS}{text}", "↑" if up else "↓", "good" if up is rises else "bad")
