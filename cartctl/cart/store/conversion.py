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
from cartctl.cart.errors import ConversionBlocked, LimitReached, NotFound, OrderConflict
from cartctl.cart.lifecycle import states
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.lifecycle.limits import Usage, given_back, refuse_guest, refuse_used_up, usages
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.pricing_result import PricedLine, PricingResult
from cartctl.cart.pricing.promotions.gifts import line_id
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason
from cartctl.cart.store.loading import PricingTerms, load_cart, load_request
from cartctl.cart.store.sql_engine import naive
from cartctl.cart.store.tables import CartItemRow, CartRow, PromotionRow, PromotionUsageRow
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

    Again with the same order the same comes back. Raises NotFound, OrderConflict, CartNotActive, ConversionBlocked,
    LimitReached or CodeRequiresLogin; the caller rolls back then.
    """
    moment = naive(now)
    found = load_cart(connection, company_id, cart_id, locked=True)
    cart = of_company(found, company_id, f"cart {cart_id}")
    if cart.status is CartStatus.CONVERTED and cart.order_id == order_id:
        return Converted(cart_id, order_id, cart.grand_total, _recorded(connection, order_id), replayed=True)
    if cart.status is CartStatus.CONVERTED:
        raise OrderConflict(f"Cart {cart_id} was converted into another order.")
    states.refuse_ended(cart)
    request = load_request(connection, cart, moment, terms)
    priced = price(request)
    known = {promotion.id: promotion for promotion in request.promotions}
    _refuse_lost(cart, known, priced)
    done = states.convert(cart, priced, order_id, moment)
    used = usages(priced, order_id, cart_id, cart.customer_id)
    for use in used:
        _use(connection, known[use.promotion_id], use, moment)
    _write(connection, cart, done, priced, moment)
    _write_lines(connection, cart.id, priced, moment)
    return Converted(cart_id, order_id, priced.grand_total, used)


def cancel(connection: Connection, company_id: str, order_id: str, now: datetime) -> tuple[Usage, ...]:
    """Give back what an order has used up, once: a second time there is nothing to give back (D7).

    The cart stays converted: nothing leaves that. The caller commits. Raises NotFound for an order of another company's.
    """
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


def _refuse_lost(cart: Cart, known: Mapping[str, Promotion], priced: PricingResult) -> None:
    """No cart is converted at another price than was shown: a promotion applied to it that no longer holds stops it.

    A gift that is out of stock does not: it is left out, and costs nothing either way (D6).
    """
    for found in priced.promotions:
        if found.reason is Reason.GIFT_OUT_OF_STOCK:
            continue
        if found.reason is Reason.CODE_REQUIRES_LOGIN:
            refuse_guest(known[found.id], cart.customer_id)
        if found.reason is Reason.LIMIT_REACHED:
            raise LimitReached(f"{found.code} has been used as often as it may be.")
        if not found.applied:
            raise ConversionBlocked(
                f"Cart {cart.id} cannot be converted: {found.code} no longer applies ({found.reason}).",
                hint="Calculate the cart anew and show its price.",
            )


def _use(connection: Connection, promotion: Promotion, use: Usage, now: datetime) -> None:
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
        raise LimitReached(f"{promotion.code} has been used as often as it may be.")
    if row.maxUsesPerCustomer is not None:
        _refuse_again(connection, promotion, use, row.maxUsesPerCustomer)
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


def _refuse_again(connection: Connection, promotion: Promotion, use: Usage, each: int) -> None:
    """Raises LimitReached when the customer has used the locked promotion `each` times, CodeRequiresLogin for a guest."""
    limited = replace(promotion, max_uses_per_customer=each)
    refuse_guest(limited, use.customer_id)
    asked = select(func.count()).where(
        PromotionUsageRow.promotion_id == use.promotion_id, PromotionUsageRow.customer_id == use.customer_id
    )
    refuse_used_up(replace(limited, max_uses_total=None), 0, connection.scalar(asked) or 0)


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
