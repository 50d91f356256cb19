"""How conversion uses up promotions, within their limits (D7): always in the order of promotion ids."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, text, update

from cartctl.cart.errors import CartChanged, LimitReached
from cartctl.cart.lifecycle.limits import Usage, refuse_guest, refuse_used_up
from cartctl.cart.lifecycle.lost_discounts import limit_reached
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.store.loading import promotion_of
from cartctl.cart.store.round_trips import Call, Rows, Statement
from cartctl.cart.store.tables import PromotionRow, PromotionUsageRow
from cartctl.cart.store.usages import used_by

_COUNT = Statement(
    update(PromotionRow)
    .where(
        PromotionRow.id == bindparam("promotion"),
        PromotionRow.company_id == bindparam("company"),
        or_(PromotionRow.max_uses_total.is_(None), PromotionRow.current_uses < PromotionRow.max_uses_total),
    )
    .values(current_uses=PromotionRow.current_uses + 1, updated_at=bindparam("moment"))
    .returning(PromotionRow.__table__)
)
_RECORD = Statement(
    text(
        """
    INSERT INTO promotion_usages (id, "promotionId", "cartId", "orderId", "customerId", "discountAmount", "appliedAt")
    SELECT used.*, CAST(:moment AS timestamp) FROM unnest(
        CAST(:ids AS text[]), CAST(:promotions AS text[]), CAST(:carts AS text[]), CAST(:orders AS text[]),
        CAST(:customers AS text[]), CAST(:amounts AS numeric[])
    ) AS used (id, promotion, cart, "order", customer, amount) JOIN promotions ON promotions.id = used.promotion
    """
    )
)


def uses(company_id: str, used: Sequence[Usage], now: datetime) -> list[Call]:
    """The statements that count one use of each promotion, in the order of `used`, and then record them all."""
    counts = [_COUNT(promotion=use.promotion_id, company=company_id, moment=now) for use in used]
    return [*counts, _record(used, now)] if used else []


def refuse_unusable(
    connection: Connection,
    company_id: str,
    used: Sequence[Usage],
    counted: Sequence[Rows],
    request: PricingRequest | None,
) -> None:
    """Look at what the statements of `uses` gave: `counted` has the row of each promotion, with one use more.

    `request` is what was priced, None where an accepted quote is charged. Raises LimitReached and CodeRequiresLogin;
    CartChanged where a promotion's terms are not those that were priced.
    """
    priced = {promotion.id: promotion for promotion in request.promotions} if request else {}
    for use, rows in zip(used, counted, strict=False):
        before = priced.get(use.promotion_id)
        if not rows:
            raise _refused(request, before, use.promotion_id)
        promotion = promotion_of(rows[0])
        if before is not None and replace(promotion, current_uses=before.current_uses) != before:
            raise CartChanged(f"{promotion.code} was changed in the meantime.", hint="Try again.")
        if promotion.max_uses_per_customer is not None:
            refuse_guest(promotion, use.customer_id)
            # Its own use was recorded in the same round trip, and its row is locked.
            by_customer = used_by(connection, company_id, use.customer_id, [promotion.id])
            others = by_customer.get(promotion.id, 1) - 1
            refuse_used_up(replace(promotion, max_uses_total=None), 0, others)


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


def _refused(request: PricingRequest | None, promotion: Promotion | None, promotion_id: str) -> LimitReached:
    if request is not None and promotion is not None:
        return limit_reached(request, promotion)
    return LimitReached(f"Promotion {promotion_id} has reached its usage limit, or was deleted.")


def _record(used: Sequence[Usage], now: datetime) -> Call:
    return _RECORD(
        moment=now,
        ids=[uuid.uuid4().hex for _ in used],
        promotions=[use.promotion_id for use in used],
        carts=[use.cart_id for use in used],
        orders=[use.order_id for use in used],
        customers=[use.customer_id for use in used],
        amounts=[use.discount_amount for use in used],
    )
