"""Insights: conversion, abandonment, recovery and order value of a period, against the period before it, with charts."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from cartctl.cart import DailyFigures, Overview, Period, daily_figures
from cartctl.cart.store import cart_statistics
from cartctl.cart.store.cart_statistics import OverviewRow
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.pages.admin import charts
from cartctl.sandbox.service.pages.admin.access import Analyst, Database, cached
from cartctl.sandbox.service.pages.formats import change
from cartctl.sandbox.service.pages.rendering import page

DAYS = (7, 30, 90)
_RATES = (
    ("Conversion", "conversion", True),
    ("Abandonment", "abandonment", False),
    ("Recovered", "recovery", True),
    ("Recovered by e-mail", "attributed_recovery", True),
)

router = APIRouter()


@router.get("/insights/ecommerce")
def insights(
    request: Request,
    admin: Analyst,
    data: Database,
    days: Annotated[int, Query(ge=1, le=366)] = 30,
    currency: Annotated[str, Query(max_length=30)] = "",
) -> Response:
    """The last days in one currency: by default the one with the most carts."""
    now: datetime = request.app.state.clock.now()
    period = Period(now - timedelta(days=days), now)
    figures = cached(
        request, (admin.company, f"insights {days}"), lambda: _figures(data, admin.company, period)
    )
    rows, before, daily = figures.value
    totals = sorted(
        (row for row in rows if row.site_type is None), key=lambda row: (-row.overview.carts, row.currency)
    )
    known = [row.currency for row in totals]
    code = currency if currency in known else next(iter(known), "")
    earlier = {row.currency: row.overview for row in before if row.site_type is None}
    return page(
        request,
        "insights.html",
        **admin.context,
        days=days,
        age=figures.age,
        choices=DAYS,
        currencies=known,
        code=code,
        period=period,
        rows=rows,
        tiles=_tiles(next(row.overview for row in totals if row.currency == code), earlier.get(code))
        if code
        else [],
        overview=next((row.overview for row in totals if row.currency == code), None),
        daily=[row for row in daily if row.currency == code],
        charts=_charts([row for row in daily if row.currency == code], code),
    )


def _figures(
    data: Data, company: str, period: Period
) -> tuple[list[OverviewRow], list[OverviewRow], list[DailyFigures]]:
    """The period, the one of the same length before it, and each day."""
    before = Period(period.begin - (period.end - period.begin), period.begin)
    with data.session() as connection:
        return (
            cart_statistics.overviews(connection, company, period),
            cart_statistics.overviews(connection, company, before),
            daily_figures(connection, company, period),
        )


def _tiles(now: Overview, before: Overview | None) -> list[dict[str, Any]]:
    """Each rate with its change, and whether the change is good."""
    tiles = []
    for label, name, rises in _RATES:
        value = getattr(now, name)
        known = getattr(before, name) if before else None
        difference = change(value, known)
        better = difference.startswith("+") is rises
        kind = "" if not difference or value == known else "good" if better else "bad"
        tiles.append({"label": label, "value": value, "change": difference, "kind": kind})
    return tiles


def _charts(daily: list[DailyFigures], code: str) -> list[tuple[str, Any]]:
    if not daily:
        return []
    return [
        ("Conversion and abandonment by day", charts.rates(daily)),
        ("Orders by day and site", charts.orders(daily)),
        (f"Average order value by day and site, {code}", charts.order_values(daily)),
    ]
