"""What the cart's endpoints should answer, by SQL of the checks' own: never by what the service itself uses.

Definitions: `carts` of one company; rates over the carts created in a period, without merged and empty ones; no sum mixes
currencies or has merged or expired carts, and cancelled orders count nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cartctl.adapters.postgres import Connection

STATUSES = ("active", "abandoned", "converted", "merged", "expired")
PAGE = 20  # carts that any page of the list must show whole


def carts(connection: Connection, company: str) -> dict[str, str]:
    """The company's carts: id → status. Read-only."""
    statement = 'SELECT id, status::text FROM carts WHERE "companyId" = %s'
    return {str(cart): str(status) for cart, status in connection.execute(statement, (company,)).fetchall()}


def stats(connection: Connection, company: str) -> dict[str, Decimal]:
    """Carts by status, their total, and the sum of their grand totals unless it would mix currencies. Read-only."""
    counts = 'SELECT lower(status::text), count(*) FROM carts WHERE "companyId" = %s GROUP BY 1'
    rows = connection.execute(counts, (company,)).fetchall()
    counted = dict.fromkeys(STATUSES, Decimal(0)) | {status: Decimal(count) for status, count in rows}
    values: dict[str, Decimal] = dict(connection.execute(_WORTH, (company,)).fetchall())
    worth = {"totalValue": sum(values.values(), Decimal(0))} if len(values) <= 1 else {}
    return {**counted, "total": sum(counted.values(), Decimal(0)), **worth}


_WORTH = """
SELECT currency, sum(CASE WHEN status::text = 'CONVERTED' AND metadata ->> 'cancelledAt' IS NOT NULL THEN 0
                          ELSE "grandTotal" END)
  FROM carts WHERE "companyId" = %s AND status::text NOT IN ('MERGED', 'EXPIRED') GROUP BY currency
"""


@dataclass(frozen=True, slots=True)
class Rates:
    """One currency's analytics; None where there is no denominator."""

    carts: int
    conversion: Decimal | None
    abandonment: Decimal | None
    recovery: Decimal | None
    order_value: Decimal | None


_COHORT = """
WITH cohort AS (
    SELECT currency, status::text = 'CONVERTED' AS converted, "abandonedAt" AS left_at, "convertedAt" AS bought_at
      FROM carts
     WHERE "companyId" = %(company)s AND status::text <> 'MERGED' AND "itemCount" > 0
       AND NOT (status::text = 'CONVERTED' AND metadata ->> 'cancelledAt' IS NOT NULL)
       AND "createdAt" >= %(begin)s AND "createdAt" < %(end)s
)
SELECT currency, count(*), sum(converted::int), sum((NOT converted AND left_at IS NOT NULL)::int),
       sum((converted AND left_at < bought_at)::int), count(left_at)
  FROM cohort GROUP BY currency
"""
_ORDERS = """
SELECT currency, count(*), sum("grandTotal") FROM carts
 WHERE "companyId" = %(company)s AND status::text = 'CONVERTED' AND metadata ->> 'cancelledAt' IS NULL
   AND "convertedAt" >= %(begin)s AND "convertedAt" < %(end)s
 GROUP BY currency
"""


def rates(connection: Connection, company: str, begin: datetime, end: datetime) -> dict[str, Rates]:
    """Analytics by currency over [begin, end), by cohort of creation; the order value by time of conversion. Read-only."""
    period: Mapping[str, Any] = {"company": company, "begin": naive(begin), "end": naive(end)}
    cohorts = {row[0]: row[1:] for row in connection.execute(_COHORT, period).fetchall()}
    orders = {row[0]: row[1:] for row in connection.execute(_ORDERS, period).fetchall()}
    return {
        currency: _rates(cohorts.get(currency, (0, 0, 0, 0, 0)), orders.get(currency, (0, Decimal(0))))
        for currency in sorted(cohorts.keys() | orders.keys())
    }


def _rates(cohort: tuple[Any, ...], orders: tuple[Any, ...]) -> Rates:
    count, converted, abandoned, recovered, ever_left = cohort
    return Rates(
        carts=count,
        conversion=_share(converted, count),
        abandonment=_share(abandoned, count),
        recovery=_share(recovered, ever_left),
        order_value=_share(orders[1], orders[0]),
    )


def _share(part: Any, whole: int) -> Decimal | None:
    return Decimal(part) / Decimal(whole) if whole else None


def naive(moment: datetime) -> datetime:
    """A time as the cart's columns hold it: UTC without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
