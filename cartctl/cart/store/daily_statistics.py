"""What became of a company's carts, day by day (D11): of each currency and type of site. Read-only, exact."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Date, cast

from cartctl.cart.analytics import Period, average, ratio
from cartctl.cart.enums import SiteType
from cartctl.cart.store.cart_statistics import CANCELLED, cohort, converted_within
from cartctl.cart.store.sql_engine import Statement, naive
from cartctl.cart.store.tables import CartRow

_Key = tuple[date, str, SiteType]


@dataclass(frozen=True, slots=True)
class DailyFigures:
    """One day (UTC) in one currency on one type of site: the carts created in it, and the orders placed in it.

    `value` is what the orders add up to. `left` counts the day's carts that were abandoned at some time, `recovered` those of
    them that were bought after all, `by_mail` those bought after a recovery mail. Cancelled orders count nowhere, as in the overview.
    """

    day: date
    currency: str
    site_type: SiteType
    carts: int = 0
    converted: int = 0
    abandoned: int = 0
    orders: int = 0
    value: Decimal = Decimal(0)
    left: int = 0
    recovered: int = 0
    by_mail: int = 0

    @property
    def open(self) -> int:
        """The day's carts that were neither bought nor abandoned."""
        return self.carts - self.converted - self.abandoned

    @property
    def conversion(self) -> Decimal | None:
        """The share of the day's carts that were bought, with 4 decimals; None without carts."""
        return ratio(self.converted, self.carts)

    @property
    def abandonment(self) -> Decimal | None:
        """The share of the day's carts that were abandoned and not bought; None without carts."""
        return ratio(self.abandoned, self.carts)

    @property
    def aov(self) -> Decimal | None:
        """The average value of the day's orders, rounded to the currency's unit; None without orders."""
        return average(self.value, self.orders, self.currency)


def daily_figures(connection: Connection, company_id: str, period: Period) -> list[DailyFigures]:
    """The statistics of each day of a period that has any, by day, currency and type of site."""
    created = _by_day(connection, cohort(company_id, period), CartRow.created_at, period)
    bought = _by_day(connection, converted_within(company_id, period), CartRow.converted_at, period)
    rows = []
    for key in sorted({*created, *bought}):
        carts, converted, abandoned, *left = created.get(key, [0] * 6)
        orders, value = bought.get(key, [0, Decimal(0)])
        rows.append(DailyFigures(*key, carts, converted, abandoned, orders, Decimal(value), *left))
    return rows


def _by_day(connection: Connection, counted: Statement, moment: Any, period: Period) -> dict[_Key, list[Any]]:
    """The rows of a statement of the overview, split by day, without cancelled orders."""
    day = cast(moment, Date)
    daily = counted.add_columns(day).group_by(day)
    days = {_key(row): list(row[2:-1]) for row in connection.execute(daily)}
    for row in connection.execute(daily.where(CANCELLED, CartRow.converted_at >= naive(period.begin))):
        days[_key(row)] = [a - b for a, b in zip(days[_key(row)], row[2:-1], strict=True)]
    return {key: numbers for key, numbers in days.items() if numbers[0]}


def _key(row: Any) -> _Key:
    return (row[-1], row[1], SiteType(row[0]))
