"""What a company's carts add up to: by status, and what became of those of a period (D11). Read-only, exact.

Both are counted, not kept: a covering index holds every column they look at, so that the largest company's carts are
counted from the index alone. What no index has is whether an order was cancelled: those carts are counted by
themselves, among the converted ones, and subtracted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import Connection, func, select, text

from cartctl.cart.analytics import ATTRIBUTED_WITHIN, Overview, Period, average, has_worth, ratio
from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.errors import NotFound
from cartctl.cart.store.sql_engine import Statement, naive
from cartctl.cart.store.tables import CartRow
from cartctl.cart.store.tables.platform import COMPANIES

ZERO = Decimal(0)
CONVERTED = CartRow.status == CartStatus.CONVERTED
LEFT = CartRow.abandoned_at.is_not(None)
CANCELLED = text(  # literals: bound parameters would keep the planner from using the index below, where it exists
    "carts.status = 'CONVERTED' AND carts.\"convertedAt\" IS NOT NULL AND carts.metadata ->> 'cancelledAt' IS NOT NULL"
)
CANCELLED_INDEX = """
CREATE INDEX CONCURRENTLY carts_cancelled ON carts ("companyId", "convertedAt")
WHERE status = 'CONVERTED' AND metadata ->> 'cancelledAt' IS NOT NULL
"""
"""An index that is not part of the schema: with many converted carts it makes `stats` several times as fast.

`cartctl migrate index --scale` builds it."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How many carts a company has by status, and what they are worth, by currency.

    Merged and expired carts and cancelled orders are in no sum; a cancelled order's cart is still counted as converted.
    """

    company_id: str
    counts: dict[CartStatus, int]
    values: dict[str, Decimal]

    @property
    def total(self) -> int:
        """All carts."""
        return sum(self.counts.values())


class Figures(NamedTuple):
    """Some figures of the carts of a type of site in a currency."""

    site_type: SiteType
    currency: str
    numbers: Sequence[Any]


@dataclass(frozen=True, slots=True)
class OverviewRow:
    """An overview of one currency, and of one type of site or (null) of all."""

    currency: str
    site_type: SiteType | None
    overview: Overview


@dataclass(frozen=True, slots=True)
class StatsReport:
    """The statistics of a company's carts."""

    kind: ClassVar[str] = "cart_stats"
    shown: ClassVar[tuple[str, ...]] = ("total",)

    company_id: str
    counts: dict[CartStatus, int]
    values: dict[str, Decimal]
    begin: datetime
    end: datetime
    overviews: list[OverviewRow]

    @property
    def total(self) -> int:
        """All carts."""
        return sum(self.counts.values())


def report(connection: Connection, company_id: str, period: Period) -> StatsReport:
    """Stats and overviews of a company. Raises NotFound if the company does not exist."""
    if not connection.scalar(select(COMPANIES.c.id).where(COMPANIES.c.id == company_id)):
        raise NotFound(f"Company {company_id} not found.")
    totals = stats(connection, company_id)
    rows = overviews(connection, company_id, period)
    return StatsReport(company_id, totals.counts, totals.values, period.begin, period.end, rows)


def stats(connection: Connection, company_id: str) -> Stats:
    """Carts by status and their worth by currency."""
    counts = dict.fromkeys(CartStatus, 0)
    values: dict[str, Decimal] = {}
    for status, code, count, value in connection.execute(counted(company_id)):
        counts[CartStatus(status)] += count
        if has_worth(CartStatus(status)):
            values[code] = values.get(code, ZERO) + value
    for _, code, _, value in connection.execute(counted(company_id).where(CANCELLED)):
        values[code] -= value
    return Stats(company_id, counts, dict(sorted(values.items())))


def counted(company_id: str) -> Statement:
    """The statement of `stats`."""
    return (
        select(CartRow.status, CartRow.currency, func.count(), func.sum(CartRow.grand_total))
        .where(CartRow.company_id == company_id)
        .group_by(CartRow.status, CartRow.currency)
    )


def overviews(connection: Connection, company_id: str, period: Period) -> list[OverviewRow]:
    """The overview of each currency, then the same by type of site; `period` is in UTC."""
    cohorts = _without_cancelled(connection, cohort(company_id, period), period)
    orders = _without_cancelled(connection, converted_within(company_id, period), period)
    codes = sorted({row.currency for row in (*cohorts, *orders)})
    groups = [
        (kind, code, _of(kind, code, cohorts), _of(kind, code, orders))
        for kind in (None, *SiteType)
        for code in codes
    ]
    return [
        OverviewRow(code, kind, _overview(code, ours, bought))
        for kind, code, ours, bought in groups
        if ours or bought
    ]


def _without_cancelled(connection: Connection, counted: Statement, period: Period) -> list[Figures]:
    """Rows of figures by type of site and currency; an order of the period that is cancelled was created after `begin`."""
    cancelled = counted.where(CANCELLED, CartRow.converted_at >= naive(period.begin))
    less = {row[:2]: row[2:] for row in connection.execute(cancelled)}
    figures = (_figures(row, less.get(row[:2])) for row in connection.execute(counted))
    return [row for row in figures if row.numbers[0]]


def _figures(row: Any, less: Sequence[Any] | None) -> Figures:
    kind, code, *numbers = row
    rest = numbers if less is None else [a - b for a, b in zip(numbers, less, strict=True)]
    return Figures(kind, code, rest)


def cohort(company_id: str, period: Period) -> Statement:
    """Carts created in the period: how many, converted, lost, left at some time, recovered, recovered by a mail."""
    recovered = CONVERTED & (CartRow.abandoned_at < CartRow.converted_at)
    by_mail = CartRow.converted_at.between(
        CartRow.recovery_email_sent_at, CartRow.recovery_email_sent_at + ATTRIBUTED_WITHIN
    )
    measures = (CONVERTED, ~CONVERTED & LEFT, LEFT, recovered, recovered & by_mail)
    return (
        select(
            CartRow.site_type,
            CartRow.currency,
            func.count(),
            *(func.count().filter(measure) for measure in measures),
        )
        .where(
            CartRow.company_id == company_id,
            CartRow.created_at >= naive(period.begin),
            CartRow.created_at < naive(period.end),
            CartRow.status != CartStatus.MERGED,
            CartRow.item_count > 0,
        )
        .group_by(CartRow.site_type, CartRow.currency)
    )


def converted_within(company_id: str, period: Period) -> Statement:
    """Carts converted in the period: how many, and their worth."""
    return (
        select(CartRow.site_type, CartRow.currency, func.count(), func.sum(CartRow.grand_total))
        .where(
            CartRow.company_id == company_id,
            CartRow.converted_at >= naive(period.begin),
            CartRow.converted_at < naive(period.end),
        )
        .group_by(CartRow.site_type, CartRow.currency)
    )


Counts = list[Sequence[Any]]  # rows without their type of site and currency


def _of(kind: SiteType | None, code: str, rows: Iterable[Figures]) -> Counts:
    return [row.numbers for row in rows if row.currency == code and kind in {None, row.site_type}]


def _overview(code: str, ours: Counts, bought: Counts) -> Overview:
    carts, converted, lost, left, recovered, by_mail = _added(ours, 6)
    orders, worth = _added(bought, 2)
    return Overview(
        carts=carts,
        converted=converted,
        abandoned=lost,
        conversion=ratio(converted, carts),
        abandonment=ratio(lost, carts),
        recovery=ratio(recovered, left),
        attributed_recovery=ratio(by_mail, left),
        orders=orders,
        aov=average(Decimal(worth), orders, code),
    )


def _added(rows: Counts, width: int) -> list[Any]:
    return [sum(row[n] for row in rows) for n in range(width)]
