"""Uses up promotions at conversion, within their limits (D7): always in the order of promotion ids."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from cartctl.cart.errors import CartChanged, LimitReached
from cartctl.cart.lifecycle.limits import Usage, refuse_guest, refuse_used_up
from cartctl.cart.lifecycle.lost_discounts import limit_reached
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.store.loading import promotion_of
from cartctl.cart.store.tables import PromotionRow, PromotionUsageRow
from cartctl.cart.store.usages import used_by

# Built once: building a statement costs as much as running it.
_COUNT = (
    update(PromotionRow)
    .where(
        PromotionRow.id == bindparam("promotion"),
        PromotionRow.company_id == bindparam("company"),
        or_(PromotionRow.max_uses_total.is_(None), PromotionRow.current_uses < PromotionRow.max_uses_total),
    )
    .values(current_uses=PromotionRow.current_uses + 1, updated_at=bindparam("moment"))
    .returning(PromotionRow.__table__)
)
_RECORD = insert(PromotionUsageRow)


def use_promotions(
    connection: Connection,
    company_id: str,
    used: Sequence[Usage],
    request: PricingRequest | None,
    now: datetime,
) -> None:
    """Count one use of each promotion. `request` is what was priced, None where an accepted quote is charged.

    Raises LimitReached and CodeRequiresLogin; CartChanged where a promotion's terms are not those that were priced.
    """
    priced = {promotion.id: promotion for promotion in request.promotions} if request else {}
    for use in used:
        promotion = _count(connection, company_id, use, now)
        if promotion is None:
            raise _refused(request, priced.get(use.promotion_id), use.promotion_id)
        before = priced.get(use.promotion_id)
        if before is not None and replace(promotion, current_uses=before.current_uses) != before:
            raise CartChanged(f"{promotion.code} was changed meanwhile.", hint="Try again.")
        if promotion.max_uses_per_customer is not None:
            refuse_guest(promotion, use.customer_id)
            by_customer = used_by(connection, company_id, use.customer_id, [promotion.id])
            refuse_used_up(replace(promotion, max_uses_total=None), 0, by_customer.get(promotion.id, 0))
    if used:
        connection.execute(_RECORD, [_usage(use, now) for use in used])


def recorded(connection: Connection, order_id: str) -> tuple[Usage, ...]:
    """What an order has used up."""
    rows = connection.execute(
        select(PromotionUsageRow.__table__)
        .where(PromotionUsageRow.order_id == order_id)
        .order_by(PromotionUsageRow.promotion_id)
    )
    return tuple(
        Usage(row.promotionId, order_id, row.cartId or "", row.customerId, row.discountAmount) for row in rows
    )


def _count(connection: Connection, company_id: str, use: Usage, now: datetime) -> Promotion | None:
    """The promotion, with one use more and its row locked; None where its limit is reached or it is gone."""
    ids = {"promotion": use.promotion_id, "company": company_id, "moment": now}
    row = connection.execute(_COUNT, ids).mappings().one_or_none()
    return None if row is None else promotion_of(row)


def _refused(request: PricingRequest | None, promotion: Promotion | None, promotion_id: str) -> LimitReached:
    if request is not None and promotion is not None:
        return limit_reached(request, promotion)
    return LimitReached(f"Promotion {promotion_id} has been used as often as it may be.")


def _usage(use: Usage, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "promotionId": use.promotion_id,
        "cartId": use.cart_id,
        "orderId": use.order_id,
        "customerId": use.customer_id,
        "discountAmount": use.discount_amount,
        "appliedAt": now,
    }
