"""Payments of carts (D1): a payment stores the accepted quote, and blocks changes until it ends or times out."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import CartChanged, PaymentInFlight
from cartctl.cart.lifecycle.lost_discounts import refuse_lost_discounts
from cartctl.cart.lifecycle.payment import (
    PAYMENT_TIMEOUT,
    AcceptedQuote,
    AgreedTotal,
    Payment,
    accepted_quote,
    payment_timeout,
    refuse_other_total,
    refuse_while_paying,
)
from cartctl.cart.lifecycle.states import reactivated, refuse_ended, refuse_unpayable
from cartctl.cart.pricing.calculation import price
from cartctl.cart.store.checkout.metadata import with_entries
from cartctl.cart.store.checkout.quote_json import payment_document
from cartctl.cart.store.checkout.stored_cart import StoredCart, load_stored
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.sql_engine import naive
from cartctl.cart.store.tables import CartRow


def start_payment(
    connection: Connection,
    company_id: str,
    cart_id: str,
    payment_id: str,
    agreed: AgreedTotal,
    now: datetime,
    terms: PricingTerms,
    *,
    timeout: timedelta = PAYMENT_TIMEOUT,
) -> Payment:
    """Store what the shopper accepted to pay.

    Until `timeout` has passed or `end_payment`, the cart cannot be changed, does not expire and gets no recovery mail,
    and a conversion charges exactly this quote. Neither uses of promotions nor stock are reserved: a conversion that finds
    them gone is refused, and the payment has to be refunded. `payment_id` is the shop's own id of the payment: with the
    same id the running payment comes back, another one is refused with PaymentInFlight. Raises what `convert` raises for
    a cart that cannot be bought as it is. The caller commits, before the payment is begun.
    """
    refuse_unstorable(companyId=company_id, cartId=cart_id, paymentId=payment_id)
    moment = naive(now)
    stored = load_stored(connection, company_id, cart_id)
    refuse_ended(stored.cart)
    running = stored.payment
    if running is not None and running.id == payment_id and running.in_flight(moment):
        return _same(running, agreed, cart_id)
    refuse_while_paying(running, moment, cart_id)
    quote = _accepted(connection, stored, moment, terms, agreed)
    payment = Payment(payment_id, moment, moment + payment_timeout(timeout), quote)
    _write(connection, stored, payment, moment)
    return payment


def end_payment(
    connection: Connection, company_id: str, cart_id: str, payment_id: str, now: datetime
) -> bool:
    """End a failed or abandoned payment, so that the cart can be changed again. False if the payment does not exist.

    Raises NotFound, and PaymentInFlight if another payment is in progress. The caller commits.
    """
    moment = naive(now)
    stored = load_stored(connection, company_id, cart_id)
    payment = stored.payment
    if payment is None:
        return False
    if payment.id != payment_id:
        refuse_while_paying(payment, moment, cart_id)
        return False
    _update(connection, stored, {"metadata_": with_entries({}, "payment")}, moment)
    return True


def _accepted(
    connection: Connection, stored: StoredCart, now: datetime, terms: PricingTerms, agreed: AgreedTotal
) -> AcceptedQuote:
    request = stored.request(connection, now, terms)
    priced = price(request)
    refuse_lost_discounts(request, priced, stored.shown, agreed)
    quote = accepted_quote(request, priced)
    refuse_unpayable(stored.cart, quote, now)
    refuse_other_total(agreed, quote, f"Cart {stored.cart.id}")
    return quote


def _same(payment: Payment, agreed: AgreedTotal, cart_id: str) -> Payment:
    if payment.quote is None:
        raise CartChanged(f"The payment of cart {cart_id} was changed by another application.")
    if payment.quote.agreed != agreed:
        raise PaymentInFlight(
            f"Cart {cart_id} has a payment of {payment.quote.agreed} in progress, not {agreed}."
        )
    return payment


def _write(connection: Connection, stored: StoredCart, payment: Payment, now: datetime) -> None:
    """The payment, as activity of the shopper: the hour until the cart counts as abandoned begins anew."""
    cart = stored.cart
    back = reactivated(cart, now) if cart.status is CartStatus.ABANDONED else cart
    changed = {
        "metadata_": with_entries({"payment": payment_document(payment)}),
        "last_activity_at": now,
        "status": back.status,
        "recovery_email_sent": back.recovery_email_sent,
    }
    _update(connection, stored, changed, now)


def _update(connection: Connection, stored: StoredCart, changed: dict[str, object], now: datetime) -> None:
    change = update(CartRow).where(CartRow.id == stored.cart.id)
    connection.execute(change.values(**changed, version=CartRow.version + 1, updated_at=now))
