"""The charts of a run's page as inline SVG, from at most POINTS points per line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from cartctl.adapters.documents.vega_lite import draw
from cartctl.monitoring.samples import RecordedSample, RunSamples
from cartctl.monitoring.thresholds import Limits
from cartctl.redaction import mask

POINTS = 240  # of a line; more are not visible in 400 pixels
MAX_CHARACTERS = 60  # characters of a label
WIDTH, HEIGHT = 420, 170  # CSS pixels; a phone shows the chart at nearly this size
_X: Mapping[str, Any] = {
    "field": "t",
    "type": "temporal",
    "scale": {"type": "utc"},
    "axis": {"title": None, "labelOverlap": True, "tickCount": 5, "format": "%H:%M:%S"},
}


@dataclass(frozen=True, slots=True)
class Interval:
    """A time to shade: maintenance, or a trigger that was pending or fired."""

    begin: datetime
    end: datetime
    style: str  # maintenance | pending | fired


def metric_chart(samples: RunSamples, name: str, shaded: Iterable[Interval]) -> Markup:
    """One metric over time with its thresholds as dashed lines; no line where there was no data."""
    limits = samples.limits.get(name)
    rows = thinned([(one.at, _value(one, name)) for one in samples.samples])
    share = limits is not None and limits.unit == "share"
    factor = 100.0 if share else 1000.0
    values = [{"t": _ms(at), "v": None if value is None else value * factor} for at, value in rows]
    y = {
        "field": "v",
        "type": "quantitative",
        "scale": {"zero": True},
        "axis": _y_axis("%" if share else "ms"),
    }
    line = {
        "type": "line",
        "color": "var(--series-1)",
        "strokeWidth": 1.5,
        "invalid": "break-paths-show-domains",
    }
    layers = [
        _shade(shaded),
        {"data": {"values": values}, "mark": line, "encoding": {"x": _X, "y": y}},
        *_thresholds(limits, factor),
    ]
    return _draw({"layer": layers})


def replicas_chart(samples: RunSamples, shaded: Iterable[Interval]) -> Markup:
    """Available replicas of each deployment over time, as steps."""
    names = dict.fromkeys(name for one in samples.samples for name in one.replicas)
    values = []
    for name in names:
        counts = [(one.at, float(one.replicas[name][0])) for one in samples.samples if name in one.replicas]
        values += [{"t": _ms(at), "v": value, "deployment": _label(name)} for at, value in _steps(counts)]
    return steps_chart(values, "deployment", _X, shaded, integer=True)


def steps_chart(
    values: Sequence[Mapping[str, Any]],
    series: str,
    x: Mapping[str, Any],
    shaded: Iterable[Interval] = (),
    *,
    integer: bool = False,
    title: str | None = None,
) -> Markup:
    """Values that last until they change; `series` names the field that separates the lines."""
    axis = _y_axis(title) | ({"format": "d", "tickMinStep": 1} if integer else {})
    y = {"field": "v", "type": "quantitative", "scale": {"zero": True}, "axis": axis}
    mark = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8}
    colour = {"field": series, "type": "nominal", "sort": None, "legend": {"columns": 2}}
    layer = {"data": {"values": list(values)}, "mark": mark, "encoding": {"x": x, "y": y, "color": colour}}
    return _draw({"layer": [_shade(shaded), layer]})


def days_axis() -> dict[str, Any]:
    """A time axis in days."""
    return {**_X, "axis": {"title": None, "labelOverlap": True, "tickCount": 6, "format": "%b %d"}}


def thinned(rows: Sequence[tuple[datetime, float | None]]) -> list[tuple[datetime, float | None]]:
    """At most POINTS rows: of each interval the largest value, so that no peak is lost, and a gap if it has no value. Pure."""
    if len(rows) <= POINTS:
        return list(rows)
    size = -(-len(rows) // POINTS)
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    return [max(part, key=lambda row: -1.0 if row[1] is None else row[1]) for part in parts]


def _steps(counts: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float]]:
    """The first and last value, and those that differ from the one before; at most POINTS changes."""
    turns = [
        row
        for number, row in enumerate(counts)
        if number in {0, len(counts) - 1} or row[1] != counts[number - 1][1]
    ]
    return [row for row in thinned(turns) if row[1] is not None]  # type: ignore[misc] # counts have values


def _value(sample: RecordedSample, name: str) -> float | None:
    value, _verdict = sample.metrics.get(name, (None, ""))
    return value


def _label(text: str) -> str:
    """A text for a chart. The renderer aborts the process at characters that XML does not allow."""
    return "".join(char if char.isprintable() else "?" for char in mask(text))[:MAX_CHARACTERS]


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _y_axis(title: str | None) -> dict[str, Any]:
    return {
        "title": title,
        "tickCount": 4,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "start",
        "titleY": -6,
    }


def _thresholds(limits: Limits | None, factor: float) -> list[dict[str, Any]]:
    if limits is None:
        return []
    bounds = (("warning", limits.warning, "var(--warn)"), ("critical", limits.critical, "var(--bad)"))
    layers = []
    for name, bound, colour in bounds:
        data = {"values": [{"v": bound * factor, "name": name}]}
        y = {"field": "v", "type": "quantitative"}
        rule = {"type": "rule", "color": colour, "strokeDash": [5, 4]}
        text = {"type": "text", "color": colour, "align": "right", "dy": -5, "fontSize": 10}
        layers += [
            {"data": data, "mark": rule, "encoding": {"y": y}},
            {
                "data": data,
                "mark": text,
                "encoding": {"y": y, "x": {"value": "width"}, "text": {"field": "name"}},
            },
        ]
    return layers


def _shade(intervals: Iterable[Interval]) -> dict[str, Any]:
    values = [{"t": _ms(one.begin), "to": _ms(one.end), "style": one.style} for one in intervals]
    scale = {
        "domain": ["maintenance", "pending", "fired"],
        "range": ["var(--maintenance)", "var(--warn)", "var(--bad)"],
    }
    return {
        "data": {"values": values},
        "mark": {"type": "rect", "opacity": 0.25},
        "encoding": {
            "x": _X,
            "x2": {"field": "to"},
            "fill": {"field": "style", "type": "nominal", "scale": scale, "legend": None},
        },
    }


def _draw(spec: Mapping[str, Any]) -> Markup:
    return Markup(draw(spec, WIDTH, HEIGHT))  # noqa: S704 - its texts are escaped
