"""Charts of the insights as inline SVG, by day."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from cartctl.adapters.documents.vega_lite import draw
from cartctl.cart import DailyFigures

WIDTH, HEIGHT = 460, 190  # CSS pixels
CHARTS = 64  # that are kept


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
    return Markup(draw(json.loads(spec), WIDTH, HEIGHT))  # noqa: S704 - see above
