"""Insights: conversion, abandonment, recovery and orders of a period, against the previous period, with charts."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response

from cartctl.cart import DailyFigures, Overview, Period, daily_figures
from cartctl.cart.store import cart_statistics
from cartctl.cart.store.cart_statistics import OverviewRow
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.pages.admin import charts, trends
from cartctl.sandbox.service.pages.admin.access import Analyst, Database, cached
from cartctl.sandbox.service.pages.formats import DASH, count, money, share
from cartctl.sandbox.service.pages.rendering import page

DAYS = (7, 30, 90)

router = APIRouter()


class Figures(NamedTuple):
    """The period, the one of the same length before it, and each day."""

    rows: list[OverviewRow]
    before: list[OverviewRow]
    daily: list[DailyFigures]


@router.get("/insights/ecommerce")
def insights(
    request: Request,
    admin: Analyst,
    data: Database,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
    currency: Annotated[str, Query(max_length=30)] = "",
) -> Response:
    """Insights of the last days in one currency, by default the one with the most carts."""
    now: datetime = request.app.state.clock.now()
    period = Period(now - timedelta(days=days), now)
    key = (admin.company, f"insights {days}")
    figures = cached(
        request, key, lambda: _figures(data, admin.company, period), worth=lambda known: known.rows
    )
    rows, before, daily = figures.value
    totals = {row.currency: row.overview for row in rows if row.site_type is None}
    code = currency if currency in totals else _most_used(totals)
    earlier = {row.currency: row.overview for row in before if row.site_type is None}
    shown = [row for row in daily if row.currency == code]
    return page(
        request,
        "insights.html",
        **admin.context,
        days=days,
        age=figures.age,
        choices=DAYS,
        currencies=sorted(totals),
        code=code,
        period=period,
        rows=rows,
        tiles=_tiles(totals[code], earlier.get(code), shown, code) if code else [],
        daily=shown,
        charts=_charts(shown, code),
    )


def _most_used(totals: dict[str, Overview]) -> str:
    return min(totals, key=lambda code: (-totals[code].carts, code), default="")


def _figures(data: Data, company: str, period: Period) -> Figures:
    before = Period(period.begin - (period.end - period.begin), period.begin)
    with data.session() as connection:
        return Figures(
            cart_statistics.overviews(connection, company, period),
            cart_statistics.overviews(connection, company, before),
            daily_figures(connection, company, period),
        )


def _tiles(
    now: Overview, before: Overview | None, daily: list[DailyFigures], code: str
) -> list[dict[str, Any]]:
    """Each figure with its change against the previous period and its course by day."""
    days: dict[date, list[DailyFigures]] = {}
    for row in daily:
        days.setdefault(row.day, []).append(row)

    def course(
        part: Callable[[DailyFigures], Any], whole: Callable[[DailyFigures], Any] | None = None
    ) -> Any:
        return trends.sparkline([_of_day(rows, part, whole) for rows in days.values()])

    def ratio(label: str, name: str, spark: Any, *, rises: bool = True) -> dict[str, Any]:
        value, known = getattr(now, name), getattr(before, name) if before else None
        change = trends.points(value, known, rises=rises)
        return {"label": label, "value": share(value), "change": change, "spark": spark}

    return [
        ratio("Conversion", "conversion", course(lambda row: row.converted, lambda row: row.carts)),
        ratio(
            "Abandonment",
            "abandonment",
            course(lambda row: row.abandoned, lambda row: row.carts),
            rises=False,
        ),
        ratio("Recovered", "recovery", course(lambda row: row.recovered, lambda row: row.left)),
        ratio(
            "Recovered by e-mail",
            "attributed_recovery",
            course(lambda row: row.by_mail, lambda row: row.left),
        ),
        _number(
            "Orders", now.orders, before and before.orders, count(now.orders), course(lambda row: row.orders)
        ),
        _number(
            "Average order",
            now.aov,
            before and before.aov,
            DASH if now.aov is None else money(now.aov, code),
            course(lambda row: row.value, lambda row: row.orders),
        ),
    ]


def _number(label: str, now: Any, before: Any, text: str, spark: Any) -> dict[str, Any]:
    return {"label": label, "value": text, "change": trends.percent(now, before), "spark": spark}


def _of_day(
    rows: Sequence[DailyFigures],
    part: Callable[[DailyFigures], Any],
    whole: Callable[[DailyFigures], Any] | None,
) -> Decimal | None:
    """A day's sum over the types of site, or its share of another sum; None where that is zero."""
    total = Decimal(sum(part(row) for row in rows))
    if whole is None:
        return total
    divisor = sum(whole(row) for row in rows)
    return total / divisor if divisor else None


def _charts(daily: list[DailyFigures], code: str) -> list[tuple[str, Any]]:
    if not daily:
        return []
    return [
        ("Carts by day and what became of them", charts.outcomes(daily)),
        ("Conversion and abandonment by day", charts.rates(daily)),
        ("Orders by day and site", charts.orders(daily)),
        (f"Average order value by day and site, {code}", charts.order_values(daily)),
    ]
