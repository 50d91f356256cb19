"""Cancels an order: what it used up is given back, and its cart counts in no figure any more (D7, D11)."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from cartctl.cart.errors import NotFound
from cartctl.cart.lifecycle.limits import Usage, released_usages
from cartctl.cart.store.checkout.metadata import with_entries
from cartctl.cart.store.checkout.quote_json import time_text
from cartctl.cart.store.checkout.usage_limits import recorded
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.sql_engine import naive
from cartctl.cart.store.tables import CartRow, PromotionRow, PromotionUsageRow


def cancel(connection: Connection, company_id: str, order_id: str, now: datetime) -> tuple[Usage, ...]:
    """Give back what an order used up, only once: a second call changes nothing (D7).

    The cart stays converted, since nothing leaves that, and `cancelledAt` in its metadata takes it out of order counts,
    averages and conversion rates. The caller commits. Raises NotFound for an order of another company's.
    """
    refuse_unstorable(companyId=company_id, orderId=order_id)
    own = select(CartRow.id, CartRow.metadata_["cancelledAt"].astext.label("cancelled")).where(
        CartRow.company_id == company_id, CartRow.order_id == order_id
    )
    cart = connection.execute(own.with_for_update()).one_or_none()
    if cart is None:
        raise NotFound(f"Order {order_id} not found.")
    if cart.cancelled is None:
        _mark(connection, cart.id, naive(now))
    return _give_back(connection, company_id, order_id, naive(now))


def _mark(connection: Connection, cart_id: str, now: datetime) -> None:
    cancelled = with_entries({"cancelledAt": time_text(now)})
    change = update(CartRow).where(CartRow.id == cart_id)
    connection.execute(change.values(metadata_=cancelled, version=CartRow.version + 1, updated_at=now))


def _give_back(connection: Connection, company_id: str, order_id: str, now: datetime) -> tuple[Usage, ...]:
    used = recorded(connection, order_id)
    for use in released_usages(order_id, used):
        one_less = update(PromotionRow).where(
            PromotionRow.company_id == company_id, PromotionRow.id == use.promotion_id
        )
        fewer = func.greatest(PromotionRow.current_uses - 1, 0)
        connection.execute(one_less.values(current_uses=fewer, updated_at=now))
    connection.execute(delete(PromotionUsageRow).where(PromotionUsageRow.order_id == order_id))
    return used
