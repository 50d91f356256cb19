"""Converting a cart into an order: it charges exactly what the shopper accepted, for what is in the cart (D1, D7).

Everything happens in the caller's transaction: a conversion that is refused leaves nothing behind once it is rolled back.
The cart's row, its lines and its codes are locked first, the promotions last and in the order of their ids: conversions
of several carts meet at the rows of their promotions alone, for as short a time as possible.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, bindparam, update
from sqlalchemy.dialects.postgresql import JSONB

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import CartChanged, OrderConflict
from cartctl.cart.lifecycle import states
from cartctl.cart.lifecycle.limits import Usage, usages
from cartctl.cart.lifecycle.lost_discounts import refuse_lost_discounts
from cartctl.cart.lifecycle.payment import (
    AcceptedLine,
    AcceptedQuote,
    AgreedTotal,
    Payment,
    accepted_quote,
    refuse_changed,
    refuse_other_total,
)
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.price_warnings import short_products
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.store.checkout.cancellation import cancel
from cartctl.cart.store.checkout.metadata import with_entries
from cartctl.cart.store.checkout.quote_json import quote_document, sold_quote
from cartctl.cart.store.checkout.shown_discounts import changed_discounts
from cartctl.cart.store.checkout.sold_lines import refuse_other_lines, replaceable, sold_lines
from cartctl.cart.store.checkout.stored_cart import StoredCart, load_stored
from cartctl.cart.store.checkout.usage_limits import recorded, refuse_unusable, uses
from cartctl.cart.store.driver_errors import order_errors, refuse_unstorable
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.round_trips import Call, Statement, run
from cartctl.cart.store.sql_engine import naive
from cartctl.cart.store.tables import CartRow

__all__ = ["Converted", "cancel", "convert"]


_SOLD = Statement(
    update(CartRow)
    .where(CartRow.id == bindparam("cart"))
    .values(
        status=CartStatus.CONVERTED,
        order_id=bindparam("order"),
        converted_at=bindparam("moment"),
        subtotal=bindparam("sub"),
        discount_total=bindparam("discounts"),
        tax_total=bindparam("taxes"),
        shipping_total=bindparam("shipping"),
        grand_total=bindparam("total"),
        item_count=bindparam("count"),
        metadata_=with_entries(bindparam("entries", type_=JSONB), "payment"),
        version=CartRow.version + 1,
        updated_at=bindparam("moment"),
    )
)


@dataclass(frozen=True, slots=True)
class Converted:
    """A converted cart. `replayed`: it had already been converted into this order.

    `lines` are what was sold. They are stored as `sold` in the cart's metadata, independent of later writes by others to its rows;
    empty for a cart that another application has converted.
    """

    cart_id: str
    order_id: str
    grand_total: Decimal
    used: tuple[Usage, ...]
    replayed: bool = False
    currency: str = ""
    lines: tuple[AcceptedLine, ...] = ()


def convert(
    connection: Connection,
    company_id: str,
    cart_id: str,
    order_id: str,
    agreed: AgreedTotal,
    now: datetime,
    terms: PricingTerms,
) -> Converted:
    """Convert the cart and use up its promotions, for the total that the shopper accepted.

    A payment in progress is charged as it was accepted; otherwise the cart is repriced. A repeated call with the same
    order returns the same result. Raises NotFound; OrderConflict where the order is another cart's; CartNotActive;
    TotalChanged, with both totals; CartChanged where another application changed what was priced; ConversionBlocked for a
    cart without a known tax, shipping or enough known stock; DiscountLost, LimitReached or CodeRequiresLogin if a
    discount that was shown is no longer given; OutOfRange and InputError for what cannot be stored. The caller must then
    roll back.
    """
    refuse_unstorable(companyId=company_id, cartId=cart_id, orderId=order_id)
    moment = naive(now)
    stored = load_stored(connection, company_id, cart_id, also=(replaceable(),))
    cart = stored.cart
    if cart.status is CartStatus.CONVERTED and cart.order_id == order_id:
        return _replayed(connection, stored, order_id)
    if cart.status is CartStatus.CONVERTED:
        raise OrderConflict(f"Cart {cart_id} was converted into another order.")
    states.refuse_ended(cart)
    payment = stored.payment
    paying = payment if payment is not None and payment.in_flight(moment) else None
    quote, request = _quote(connection, stored, paying, agreed, moment, terms)
    states.convert(cart, quote, order_id, moment, payment_in_flight=paying is not None)
    refuse_other_total(agreed, quote, f"Cart {cart_id}")
    used = usages(quote, order_id, cart_id, cart.customer_id)
    counts = uses(company_id, used, moment)
    writes = [
        *sold_lines(cart_id, quote, moment, replacing=stored.also[0][0]["replaceable"]),
        *changed_discounts(stored, quote),
        _sold_cart(stored, quote, order_id, moment),
    ]
    with order_errors(order_id):
        written = run(connection, *writes, *counts)
    refuse_other_lines(written[0], cart_id, quote)
    refuse_unusable(connection, company_id, used, written[len(writes) :], request)
    return Converted(cart_id, order_id, quote.grand_total, used, currency=quote.currency, lines=quote.lines)


def _quote(
    connection: Connection,
    stored: StoredCart,
    paying: Payment | None,
    agreed: AgreedTotal,
    now: datetime,
    terms: PricingTerms,
) -> tuple[AcceptedQuote, PricingRequest | None]:
    """What is charged: the quote of the payment in flight, or the price of this moment with what it was made from."""
    if paying is None:
        request = stored.request(connection, now, terms)
        priced = price(request)
        refuse_lost_discounts(request, priced, stored.shown, agreed)
        return accepted_quote(request, priced), request
    if paying.quote is None:
        raise CartChanged(f"The payment of cart {stored.cart.id} was changed by another application.")
    refuse_changed(paying.quote, stored.items, stored.ship_to, stored.cart.id)
    return replace(paying.quote, blocked=short_products(_units(paying.quote), terms.stock)), None


def _units(quote: AcceptedQuote) -> list[tuple[str, int]]:
    return [(line.product_id, line.quantity) for line in quote.lines if not line.gift]


def _replayed(connection: Connection, stored: StoredCart, order_id: str) -> Converted:
    sold = sold_quote(stored.row["metadata"])
    return Converted(
        stored.cart.id,
        order_id,
        stored.cart.grand_total,
        recorded(connection, order_id),
        replayed=True,
        currency=stored.cart.currency,
        lines=() if sold is None else sold.lines,
    )


def _sold_cart(stored: StoredCart, quote: AcceptedQuote, order_id: str, now: datetime) -> Call:
    """The cart as it was sold: status, order and every amount, with the quote itself in its metadata."""
    payment = stored.payment
    sold = {**quote_document(quote), "paymentId": None if payment is None else payment.id}
    return _SOLD(
        cart=stored.cart.id,
        order=order_id,
        moment=now,
        sub=quote.subtotal,
        discounts=quote.discount_total,
        taxes=quote.tax_total,
        shipping=quote.shipping_total,
        total=quote.grand_total,
        count=quote.item_count,
        entries=json.dumps({"sold": sold}),
    )
