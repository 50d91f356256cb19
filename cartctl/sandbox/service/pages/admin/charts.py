"""Charts of the insights as inline SVG, drawn by Vega-Lite (vl-convert) in the page's own colours."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from cartctl.cart import DailyFigures

WIDTH, HEIGHT = 460, 190  # CSS pixels
CHARTS = 64  # that are kept
_INK = "var(--muted)"
_CONFIG = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 11,
    },
    "legend": {"labelColor": _INK, "labelFontSize": 11, "title": None, "orient": "bottom"},
    "range": {"category": [f"var(--series-{number})" for number in range(1, 7)]},
}
_SIZE = re.compile(r'^<svg ([^>]*?)width="[^"]*" height="[^"]*"')


def rates(daily: Sequence[DailyFigures]) -> Markup:
    """The shares of each day's carts that were bought and that were left, over all types of site."""
    carts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in daily:
        for index, number in enumerate((row.carts, row.converted, row.abandoned)):
            carts[row.day.isoformat()][index] += number
    values = [
        {"day": day, "v": part / all_carts, "name": name}
        for day, (all_carts, *parts) in carts.items()
        if all_carts
        for name, part in zip(("Conversion", "Abandonment"), parts, strict=True)
    ]
    return _draw(values, {"type": "line", "point": {"size": 18}, "strokeWidth": 1.8}, ".0%")


def orders(daily: Sequence[DailyFigures]) -> Markup:
    """The number of orders of each day, by type of site."""
    return _draw([{**_of(row), "v": row.orders} for row in daily if row.orders], {"type": "bar"}, "d")


def order_values(daily: Sequence[DailyFigures]) -> Markup:
    """The average order value of each day, by type of site."""
    values = [{**_of(row), "v": float(row.aov)} for row in daily if row.aov is not None]
    return _draw(values, {"type": "line", "point": {"size": 18}, "strokeWidth": 1.8}, ",~f")


def _of(row: DailyFigures) -> dict[str, Any]:
    return {"day": row.day.isoformat(), "name": row.site_type.replace("_", " ").capitalize()}


def _draw(values: Sequence[Mapping[str, Any]], mark: Mapping[str, Any], format_: str) -> Markup:
    unit = {"timeUnit": "utcyearmonthdate"} if mark["type"] == "bar" else {}
    x = {
        "field": "day",
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {"title": None, "format": "%b %d", "tickCount": 6, "labelOverlap": True, "grid": False},
        **unit,
    }
    y = {
        "field": "v",
        "type": "quantitative",
        "axis": {"title": None, "tickCount": 4, "format": format_, "domain": False},
    }
    colour = {"field": "name", "type": "nominal", "sort": None}
    spec = {"data": {"values": list(values)}, "mark": mark, "encoding": {"x": x, "y": y, "color": colour}}
    return _svg(json.dumps(spec))


@lru_cache(maxsize=CHARTS)
def _svg(spec: str) -> Markup:
    """The drawing of a specification; every text in it is this service's own or an enum's."""
    import vl_convert  # 30 MB

    full = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": None,
        "config": _CONFIG,
        **json.loads(spec),
    }
    svg = vl_convert.vegalite_to_svg(full, allowed_base_urls=[])
    return Markup(_SIZE.sub(r'<svg role="presentation" \1', svg, count=1))  # noqa: S704 - see above
