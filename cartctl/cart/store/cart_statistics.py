"""What a company's carts add up to: by status, and what became of those of a period (D11). Read-only, exact.

Both are counted, not kept: a covering index holds every column they look at, so that the largest company's carts are
counted from the index alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import Connection, func, select

from cartctl.cart.analytics import ATTRIBUTED_WITHIN, Overview, Period, average, ratio
from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.errors import NotFound
from cartctl.cart.store.sql_engine import Statement, naive
from cartctl.cart.store.tables import CartRow
from cartctl.cart.store.tables.platform import COMPANIES

ZERO = Decimal(0)
CONVERTED = CartRow.status == CartStatus.CONVERTED
LEFT = CartRow.abandoned_at.is_not(None)


@dataclass(frozen=True, slots=True)
class Stats:
    """How many carts a company has by status, and what all of them are worth, by currency."""

    company_id: str
    counts: dict[CartStatus, int]
    values: dict[str, Decimal]

    @property
    def total(self) -> int:
        """All carts."""
        return sum(self.counts.values())


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
    """Stats and overviews of a company. Raises NotFound where there is no such company."""
    if not connection.scalar(select(COMPANIES.c.id).where(COMPANIES.c.id == company_id)):
        raise NotFound(f"There is no company {company_id}.")
    found = stats(connection, company_id)
    rows = overviews(connection, company_id, period)
    return StatsReport(company_id, found.counts, found.values, period.begin, period.end, rows)


def stats(connection: Connection, company_id: str) -> Stats:
    """Carts by status and their worth by currency."""
    rows = connection.execute(counted(company_id)).all()
    counts = dict.fromkeys(CartStatus, 0)
    values: dict[str, Decimal] = {}
    for status, code, count, value in rows:
        counts[CartStatus(status)] += count
        values[code] = values.get(code, ZERO) + value
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
    cohorts = connection.execute(cohort(company_id, period)).all()
    orders = connection.execute(converted_within(company_id, period)).all()
    codes = sorted({row.currency for row in (*cohorts, *orders)})
    found = [
        (kind, code, _of(kind, code, cohorts), _of(kind, code, orders))
        for kind in (None, *SiteType)
        for code in codes
    ]
    return [
        OverviewRow(code, kind, _overview(code, ours, bought))
        for kind, code, ours, bought in found
        if ours or bought
    ]


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


def _of(kind: SiteType | None, code: str, rows: Iterable[Any]) -> Counts:
    return [row[2:] for row in rows if row.currency == code and kind in {None, row.siteType}]


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
