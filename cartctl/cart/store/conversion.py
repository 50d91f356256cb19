"""Converting a cart into an order, and taking that back, with the limits of promotions kept exactly (D1, D7).

Everything happens in the caller's transaction: a conversion that is refused leaves nothing behind once it is rolled back.
Carts that are converted at once meet at the rows of their promotions alone, always in the order of promotion ids.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import ConversionBlocked, NotFound, OrderConflict
from cartctl.cart.lifecycle import states
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.lifecycle.limits import Usage, given_back, refuse_guest, refuse_used_up, usages
from cartctl.cart.lifecycle.lost_discounts import limit_reached, refuse_lost_discounts
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricedLine, PricingResult
from cartctl.cart.pricing.promotions.gifts import line_id
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.store.driver_errors import order_conflict, order_errors, refuse_unstorable
from cartctl.cart.store.loading import PricingTerms, load_cart, load_request, load_shown
from cartctl.cart.store.sql_engine import naive
from cartctl.cart.store.tables import CartItemRow, CartPromotionRow, CartRow, PromotionRow, PromotionUsageRow
from cartctl.cart.store.usages import used_by
from cartctl.cart.tenancy import of_company


@dataclass(frozen=True, slots=True)
class Converted:
    """A cart that is an order now. `replayed`: it had been converted into this very order before."""

    cart_id: str
    order_id: str
    grand_total: Decimal
    used: tuple[Usage, ...]
    replayed: bool = False


def convert(
    connection: Connection, company_id: str, cart_id: str, order_id: str, now: datetime, terms: PricingTerms
) -> Converted:
    """Price the cart anew, use up its promotions and mark it as converted, all in the caller's transaction.

    Again with the same order the same comes back. Raises NotFound; OrderConflict where the order is another cart's;
    CartNotActive; ConversionBlocked for a cart without a known tax, shipping or enough known stock; DiscountLost,
    LimitReached or CodeRequiresLogin where a discount that was shown is no longer given; OutOfRange and InputError for
    what cannot be stored. The caller rolls back then.
    """
    refuse_unstorable(companyId=company_id, cartId=cart_id, orderId=order_id)
    moment = naive(now)
    found = load_cart(connection, company_id, cart_id, locked=True)
    cart = of_company(found, company_id, f"cart {cart_id}")
    if cart.status is CartStatus.CONVERTED and cart.order_id == order_id:
        return Converted(cart_id, order_id, cart.grand_total, _recorded(connection, order_id), replayed=True)
    if cart.status is CartStatus.CONVERTED:
        raise OrderConflict(f"Cart {cart_id} was converted into another order.")
    states.refuse_ended(cart)
    _refuse_used_order(connection, cart_id, order_id)
    request = load_request(connection, cart, moment, terms)
    priced = price(request)
    shown = load_shown(connection, cart_id)
    known = {promotion.id: promotion for promotion in request.promotions}
    refuse_lost_discounts(request, priced, shown)
    done = states.convert(cart, priced, order_id, moment)
    used = usages(priced, order_id, cart_id, cart.customer_id)
    with order_errors(order_id):
        for use in used:
            _use(connection, request, known[use.promotion_id], use, moment)
        _write(connection, cart, done, priced, moment)
        _write_lines(connection, cart.id, priced, moment)
        _write_discounts(connection, cart.id, priced, shown)
    return Converted(cart_id, order_id, priced.grand_total, used)


def _refuse_used_order(connection: Connection, cart_id: str, order_id: str) -> None:
    """Raises OrderConflict for an order of another cart, whoever's it is: order ids are unique in the table."""
    other = select(CartRow.id).where(CartRow.order_id == order_id, CartRow.id != cart_id)
    if connection.scalar(other) is not None:
        raise order_conflict(order_id)


def cancel(connection: Connection, company_id: str, order_id: str, now: datetime) -> tuple[Usage, ...]:
    """Give back what an order has used up, once: a second time there is nothing to give back (D7).

    The cart stays converted: nothing leaves that. The caller commits. Raises NotFound for an order of another company's.
    """
    refuse_unstorable(companyId=company_id, orderId=order_id)
    mine = select(CartRow.id).where(CartRow.company_id == company_id, CartRow.order_id == order_id)
    if connection.scalar(mine.with_for_update()) is None:
        raise NotFound(f"There is no order {order_id}.")
    recorded = _recorded(connection, order_id)
    gone = delete(PromotionUsageRow).where(PromotionUsageRow.order_id == order_id)
    connection.execute(gone)
    for use in given_back(order_id, recorded):
        back = update(PromotionRow).where(
            PromotionRow.company_id == company_id, PromotionRow.id == use.promotion_id
        )
        fewer = func.greatest(PromotionRow.current_uses - 1, 0)
        connection.execute(back.values(current_uses=fewer, updated_at=naive(now)))
    return recorded


def _use(
    connection: Connection, request: PricingRequest, promotion: Promotion, use: Usage, now: datetime
) -> None:
    """Count one use. The conditional UPDATE locks the row; with it locked the customer's uses are counted."""
    refuse_guest(promotion, use.customer_id)
    open_still = or_(
        PromotionRow.max_uses_total.is_(None), PromotionRow.current_uses < PromotionRow.max_uses_total
    )
    count = (
        update(PromotionRow)
        .where(PromotionRow.id == use.promotion_id, open_still)
        .values(current_uses=PromotionRow.current_uses + 1, updated_at=now)
        .returning(PromotionRow.max_uses_per_customer)
    )
    row = connection.execute(count).one_or_none()
    if row is None:
        raise limit_reached(request, promotion)
    if row.maxUsesPerCustomer is not None:
        limited = replace(promotion, max_uses_total=None, max_uses_per_customer=row.maxUsesPerCustomer)
        refuse_guest(limited, use.customer_id)
        used = used_by(connection, request.company_id or "", use.customer_id, [promotion.id])
        refuse_used_up(limited, 0, used.get(promotion.id, 0))
    connection.execute(
        insert(PromotionUsageRow).values(
            id=uuid.uuid4().hex,
            promotion_id=use.promotion_id,
            cart_id=use.cart_id,
            order_id=use.order_id,
            customer_id=use.customer_id,
            discount_amount=use.discount_amount,
            applied_at=now,
        )
    )


def _write(connection: Connection, cart: Cart, done: Cart, priced: PricingResult, now: datetime) -> None:
    """The cart as it was sold: status, order and every amount, if its status is still the one that was read."""
    change = (
        update(CartRow)
        .where(CartRow.id == cart.id, CartRow.company_id == cart.company_id, CartRow.status == cart.status)
        .values(
            status=done.status,
            order_id=done.order_id,
            converted_at=done.converted_at,
            subtotal=priced.subtotal,
            discount_total=priced.discount_total,
            tax_total=priced.tax_total,
            shipping_total=priced.shipping_total,
            grand_total=priced.grand_total,
            item_count=priced.item_count,
            updated_at=now,
        )
    )
    if connection.execute(change).rowcount != 1:
        raise ConversionBlocked(f"Cart {cart.id} was changed by somebody else.", hint="Try again.")


def _write_lines(connection: Connection, cart_id: str, priced: PricingResult, now: datetime) -> None:
    """The lines as they were sold; gifts are made anew, as they are at every calculation (D6)."""
    mine = CartItemRow.cart_id == cart_id
    connection.execute(delete(CartItemRow).where(mine, CartItemRow.gift_promotion_id.is_not(None)))
    for line in priced.lines:
        sold = {"discount_amount": line.discount, "line_total": line.net, "updated_at": now}
        if line.gift:
            connection.execute(insert(CartItemRow).values(**sold, **_gift(cart_id, line)))
        else:
            connection.execute(update(CartItemRow).where(mine, CartItemRow.id == line.id).values(**sold))


def _write_discounts(
    connection: Connection, cart_id: str, priced: PricingResult, shown: Mapping[str, Decimal]
) -> None:
    """What each code gave in the end; a code without effect stays, with a discount of 0."""
    mine = CartPromotionRow.cart_id == cart_id
    for outcome in priced.promotions:
        if outcome.amount != shown.get(outcome.id):
            given = update(CartPromotionRow).where(mine, CartPromotionRow.promotion_id == outcome.id)
            connection.execute(given.values(discount_amount=outcome.amount))


def _gift(cart_id: str, line: PricedLine) -> dict[str, Any]:
    """The columns of a gift's line; its id differs from cart to cart."""
    return {
        "id": f"{cart_id}:{line.id}",
        "cart_id": cart_id,
        "product_id": line.product_id,
        "product_snapshot": {},
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "original_price": line.unit_price,
        "gift_promotion_id": line.id.removeprefix(line_id("")),
    }


def _recorded(connection: Connection, order_id: str) -> tuple[Usage, ...]:
    asked = select(PromotionUsageRow).where(PromotionUsageRow.order_id == order_id)
    rows = connection.execute(asked.order_by(PromotionUsageRow.promotion_id)).all()
    return tuple(
        Usage(row.promotionId, order_id, row.cartId or "", row.customerId, row.discountAmount) for row in rows
    )
