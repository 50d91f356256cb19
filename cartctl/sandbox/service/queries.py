"""What the cart's routes and pages tell, read from the tables, always of one company."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from cartctl.sandbox.service.data import Data

NEWEST = 50
PERIOD = timedelta(days=30)


def newest(data: Data, company: str, *, status: str | None = None) -> list[dict[str, Any]]:
    """The company's carts, newest activity first, at most 50; of one status where given."""
    found = data.rows(
        """SELECT id, status::text AS status, currency, "itemCount", "grandTotal", "customerId", "lastActivityAt",
                  "abandonedAt", "recoveryEmailSent"
           FROM carts WHERE "companyId" = %(company)s AND (%(status)s::text IS NULL OR status::text = %(status)s)
           ORDER BY "lastActivityAt" DESC, id LIMIT 50""",
        {"company": company, "status": status},
    )
    return [{name: _told(value) for name, value in row.items()} for row in found]


def stats(data: Data, company: str) -> dict[str, Any]:
    """How many carts there are by status, and what all of them are worth together."""
    [row] = data.rows(
        """SELECT count(*) AS total,
                  count(*) FILTER (WHERE status = 'ACTIVE') AS active,
                  count(*) FILTER (WHERE status = 'ABANDONED') AS abandoned,
                  count(*) FILTER (WHERE status = 'CONVERTED') AS converted,
                  count(*) FILTER (WHERE status = 'MERGED') AS merged,
                  count(*) FILTER (WHERE status = 'EXPIRED') AS expired,
                  coalesce(sum("grandTotal"), 0)::numeric(14, 2) AS "totalValue"
           FROM carts WHERE "companyId" = %(company)s""",
        {"company": company},
    )
    return {name: _told(value) for name, value in row.items()}


def overview(data: Data, company: str) -> dict[str, Any]:
    """Conversion, abandonment and recovery of the carts created in the last 30 days, and the value of the converted.

    Per currency, and per kind of site; a ratio without a denominator is null.
    """
    until = datetime.now(UTC).replace(tzinfo=None)
    period = {"company": company, "from": until - PERIOD, "to": until}
    return {
        "from": _told(period["from"]),
        "to": _told(until),
        "currencies": [_ratios(row, "currency") for row in data.rows(_BY_CURRENCY, period)],
        "bySiteType": [_ratios(row, "siteType") for row in data.rows(_BY_SITE_TYPE, period)],
    }


_COHORT = """"createdAt" >= %(from)s AND "createdAt" < %(to)s AND status <> 'MERGED' AND "itemCount" > 0"""
_CLOSED = """status = 'CONVERTED' AND "convertedAt" >= %(from)s AND "convertedAt" < %(to)s"""
_MEASURES = f"""
    count(*) FILTER (WHERE {_COHORT}) AS carts,
    count(*) FILTER (WHERE {_COHORT} AND status = 'CONVERTED') AS converted,
    count(*) FILTER (WHERE {_COHORT} AND status <> 'CONVERTED' AND "abandonedAt" IS NOT NULL) AS abandoned,
    count(*) FILTER (WHERE {_COHORT} AND "abandonedAt" IS NOT NULL) AS ever_abandoned,
    count(*) FILTER (WHERE {_COHORT} AND status = 'CONVERTED' AND "abandonedAt" < "convertedAt") AS recovered,
    count(*) FILTER (WHERE {_CLOSED}) AS orders,
    coalesce(sum("grandTotal") FILTER (WHERE {_CLOSED}), 0) AS revenue
FROM carts
WHERE "companyId" = %(company)s AND (({_COHORT}) OR ({_CLOSED}))
"""
_BY_CURRENCY = f"SELECT currency, {_MEASURES} GROUP BY currency ORDER BY currency"
_BY_SITE_TYPE = f"""SELECT "siteType"::text AS "siteType", currency, {_MEASURES} GROUP BY 1, currency ORDER BY 1, currency"""


def _ratios(row: dict[str, Any], group: str) -> dict[str, Any]:
    return {
        group: row[group],
        "currency": row["currency"],
        "carts": row["carts"],
        "conversionRate": _share(row["converted"], row["carts"]),
        "abandonmentRate": _share(row["abandoned"], row["carts"]),
        "recoveryRate": _share(row["recovered"], row["ever_abandoned"]),
        "averageOrderValue": _share(row["revenue"], row["orders"], "0.01"),
    }


def _share(part: int | Decimal, whole: int, unit: str = "0.0001") -> str | None:
    if whole == 0:
        return None
    return str((Decimal(part) / Decimal(whole)).quantize(Decimal(unit), ROUND_HALF_UP))


def _told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    return str(value) if isinstance(value, Decimal) else value
