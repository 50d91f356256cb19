"""How often promotions were used: what per-customer limits count (D7)."""

from collections.abc import Collection

from sqlalchemy import Connection, func, or_, select

from cartctl.cart.store.tables import PromotionUsageRow
from cartctl.cart.store.tables.platform import CUSTOMERS


def used_by(
    connection: Connection, company_id: str, customer_id: str | None, promotion_ids: Collection[str]
) -> dict[str, int]:
    """How often a customer has used some promotions, by promotion id; those that were never used are missing.

    Uses of every customer of the company with the same e-mail count as well, whatever its case: a second account is not
    a second customer. Read-only.
    """
    if customer_id is None or not promotion_ids:
        return {}
    email = select(_canonical_email).where(
        CUSTOMERS.c.id == customer_id, CUSTOMERS.c.companyId == company_id, _canonical_email != ""
    )
    same_email = (CUSTOMERS.c.companyId == company_id) & (_canonical_email == email.scalar_subquery())
    used = (
        select(PromotionUsageRow.promotion_id, func.count())
        .outerjoin(CUSTOMERS, CUSTOMERS.c.id == PromotionUsageRow.customer_id)
        .where(
            PromotionUsageRow.promotion_id.in_(promotion_ids),
            or_(PromotionUsageRow.customer_id == customer_id, same_email),
        )
        .group_by(PromotionUsageRow.promotion_id)
    )
    return {row[0]: row[1] for row in connection.execute(used)}


_canonical_email = func.lower(func.btrim(CUSTOMERS.c.email))
