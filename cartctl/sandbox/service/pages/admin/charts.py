"""Charts of the insights as inline SVG, by day."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from cartctl.adapters.documents.vega_lite import COLOURS, draw
from cartctl.cart import DailyFigures, SiteType
from cartctl.sandbox.service.pages.formats import label

WIDTH, HEIGHT = 500, 220  # CSS pixels
CHARTS = 64  # maximum number cached
LABELLED = 7  # approximate days of a chart
_OUTCOMES = ("Bought", "Abandoned", "Open")
_RATES = ("Conversion", "Abandonment")
_LINE = {"type": "line", "point": {"size": 22}, "strokeWidth": 1.8}


def outcomes(daily: Sequence[DailyFigures]) -> Markup:
    """The outcome of each day's carts: converted, abandoned, or still open."""
    values = [
        {"day": day, "v": number, "name": name}
        for day, (_, *parts, still_open) in _by_day(daily).items()
        for name, number in zip(_OUTCOMES, (*parts, still_open), strict=True)
        if number
    ]
    return _draw(daily, values, {"type": "bar"}, "d")


def rates(daily: Sequence[DailyFigures]) -> Markup:
    """The shares of each day's carts that were converted and abandoned, over all types of site."""
    values = [
        {"day": day, "v": part / carts, "name": name}
        for day, (carts, *parts, _) in _by_day(daily).items()
        if carts
        for name, part in zip(_RATES, parts, strict=True)
    ]
    return _draw(daily, values, _LINE, ".0%")


def _by_day(daily: Sequence[DailyFigures]) -> dict[str, list[int]]:
    """Carts of each day, and those converted, abandoned and still open, over all types of site."""
    days: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in daily:
        for index, number in enumerate((row.carts, row.converted, row.abandoned, row.open)):
            days[row.day.isoformat()][index] += number
    return days


def orders(daily: Sequence[DailyFigures]) -> Markup:
    """The number of orders of each day, by type of site."""
    values = [{**_of(row), "v": row.orders} for row in daily if row.orders]
    return _draw(daily, values, {"type": "bar"}, "d")


def order_values(daily: Sequence[DailyFigures]) -> Markup:
    """The average order value of each day, by type of site."""
    values = [{**_of(row), "v": float(row.aov)} for row in daily if row.aov is not None]
    return _draw(daily, values, _LINE, ",~f")


def _of(row: DailyFigures) -> dict[str, Any]:
    return {"day": row.day.isoformat(), "name": label(row.site_type)}


def _draw(
    daily: Sequence[DailyFigures],
    values: Sequence[Mapping[str, Any]],
    mark: Mapping[str, Any],
    format_: str,
) -> Markup:
    """Draw one value per day and name; days without a value leave a gap."""
    days = _days(daily[0].day, daily[-1].day)
    x = {
        "field": "day",
        "type": "ordinal",
        "scale": {"domain": days, "paddingInner": 0.2},
        "axis": {
            "title": None,
            "labelAngle": 0,
            "labelExpr": "utcFormat(toDate(datum.value), '%b %d')",
            "values": days[:: max(1, len(days) // LABELLED)],
        },
    }
    y = {
        "field": "v",
        "type": "quantitative",
        "axis": {
            "title": None,
            "tickCount": 4,
            "format": format_,
            "domain": False,
            "tickMinStep": 1 if format_ == "d" else 0,
        },
    }
    colour = {"field": "name", "type": "nominal", "scale": _scale({value["name"] for value in values})}
    spec = {"data": {"values": list(values)}, "mark": mark, "encoding": {"x": x, "y": y, "color": colour}}
    return _svg(json.dumps(spec))


def _days(first: date, last: date) -> list[str]:
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]


def _scale(names: set[str]) -> dict[str, list[str]]:
    """A type of site has the same colour in every chart and period."""
    orders = ([label(site) for site in SiteType], _OUTCOMES, _RATES)
    known = [
        (name, COLOURS[number]) for order in orders for number, name in enumerate(order) if name in names
    ]
    return {"domain": [name for name, _ in known], "range": [colour for _, colour in known]}


@lru_cache(maxsize=CHARTS)
def _svg(spec: str) -> Markup:
    """The drawing of a specification; every text in it is this service's own or an enum's."""
    return Markup(draw(json.loads(spec), WIDTH, HEIGHT))  # noqa: S704 - see above
