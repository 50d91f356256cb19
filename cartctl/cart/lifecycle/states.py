"""The life of a cart (D1): every transition there is, each with its guard.

What is returned is the cart as it should be; a repository writes it only if the status is still the one that was read.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import CartNotActive, ConversionBlocked, OrderConflict, TransitionInvalid
from cartctl.cart.lifecycle.cart import TERMINAL, Cart
from cartctl.cart.lifecycle.payment import AcceptedQuote

ABANDON_AFTER = timedelta(minutes=60)
LIFETIME = timedelta(days=30)  # from a shopper's last change to expiry
MAIL_AGAIN_AFTER = timedelta(
    days=7
)  # from the last recovery mail to the next for a cart that came back (D10)


def refuse_ended(cart: Cart) -> None:
    """Raises CartNotActive for a cart that is converted, merged or expired."""
    if cart.status in TERMINAL:
        raise CartNotActive(f"Cart {cart.id} is {cart.status.value}; it can no longer be changed.")


def is_abandoned(cart: Cart, now: datetime, after: timedelta = ABANDON_AFTER) -> bool:
    """Whether an active cart with something in it has been left alone for long enough."""
    return cart.status is CartStatus.ACTIVE and cart.item_count > 0 and cart.last_activity_at <= now - after


def is_expired(cart: Cart, now: datetime, *, payment_in_flight: bool = False) -> bool:
    """Whether a cart that has not ended is past its time, with no payment under way."""
    return cart.status not in TERMINAL and _past(cart, now) and not payment_in_flight


def due(
    cart: Cart, now: datetime, *, payment_in_flight: bool = False, after: timedelta = ABANDON_AFTER
) -> CartStatus | None:
    """Where the jobs move a cart to, or None. Expiry comes before abandonment."""
    if is_expired(cart, now, payment_in_flight=payment_in_flight):
        return CartStatus.EXPIRED
    return CartStatus.ABANDONED if is_abandoned(cart, now, after) else None


def abandon(cart: Cart, now: datetime, after: timedelta = ABANDON_AFTER) -> Cart:
    """ACTIVE to ABANDONED. Raises CartNotActive, and TransitionInvalid where the guard is not met."""
    refuse_ended(cart)
    if not is_abandoned(cart, now, after):
        raise TransitionInvalid(f"Cart {cart.id} is {cart.status.value} and not due to be abandoned.")
    return replace(cart, status=CartStatus.ABANDONED, abandoned_at=now)


def expire(cart: Cart, now: datetime, *, payment_in_flight: bool = False) -> Cart:
    """ACTIVE or ABANDONED to EXPIRED. Raises CartNotActive, and TransitionInvalid where the guard is not met."""
    refuse_ended(cart)
    if not is_expired(cart, now, payment_in_flight=payment_in_flight):
        raise TransitionInvalid(f"Cart {cart.id} is not due to expire.")
    return replace(cart, status=CartStatus.EXPIRED)


def touch(cart: Cart, now: datetime, lifetime: timedelta = LIFETIME) -> Cart:
    """What a shopper's change does to a cart: it is active, and lives on from now. Raises CartNotActive.

    Jobs and admin reads never call this. `abandonedAt` stays: that the cart had been abandoned is what recovery counts.
    """
    refuse_ended(cart)
    expires_at = max(cart.expires_at or now, now + lifetime)
    changed = replace(cart, last_activity_at=now, expires_at=expires_at)
    return reactivated(changed, now) if cart.status is CartStatus.ABANDONED else changed


def reactivated(cart: Cart, now: datetime) -> Cart:
    """ABANDONED to ACTIVE; a mail may be sent again when the last one is at least 7 days old (D10)."""
    sent_at = cart.recovery_email_sent_at
    sent = cart.recovery_email_sent and not (sent_at is not None and sent_at <= now - MAIL_AGAIN_AFTER)
    return replace(cart, status=CartStatus.ACTIVE, recovery_email_sent=sent)


def follow_recovery_link(cart: Cart, now: datetime, lifetime: timedelta = LIFETIME) -> Cart:
    """A shopper comes back by the link of a recovery mail. Raises CartNotActive."""
    return replace(touch(cart, now, lifetime), recovery_clicks=cart.recovery_clicks + 1)


def convert(
    cart: Cart, quote: AcceptedQuote, order_id: str, now: datetime, *, payment_in_flight: bool = False
) -> Cart:
    """ACTIVE or ABANDONED to CONVERTED; `quote` was calculated in the same transaction or is being paid.

    Again with the same order the cart comes back as it is. Raises OrderConflict for another order, CartNotActive, and
    ConversionBlocked for a cart that is empty, past its time without a payment in flight, or whose tax or shipping is not
    known (D8).
    """
    if cart.status is CartStatus.CONVERTED:
        if cart.order_id == order_id:
            return cart
        raise OrderConflict(f"Cart {cart.id} was converted into another order.")
    if not order_id.strip():
        raise ConversionBlocked(f"Cart {cart.id} cannot be converted: the order ID is missing.")
    refuse_unpayable(cart, quote, now, payment_in_flight=payment_in_flight)
    return replace(
        cart,
        status=CartStatus.CONVERTED,
        order_id=order_id,
        converted_at=now,
        grand_total=quote.grand_total,
        item_count=quote.item_count,
    )


def refuse_unpayable(
    cart: Cart, quote: AcceptedQuote, now: datetime, *, payment_in_flight: bool = False
) -> None:
    """Raises CartNotActive, and ConversionBlocked for a cart that nobody can pay for as it is.

    Gifts alone are no order: one of the shopper's own lines must be there.
    """
    refuse_ended(cart)
    guards = (
        ("it is empty", all(line.gift for line in quote.lines)),
        ("it has expired", _past(cart, now) and not payment_in_flight),
    )
    if reasons := tuple(reason for reason, so in guards if so) + quote.blocked:
        raise ConversionBlocked(f"Cart {cart.id} cannot be converted: {'; '.join(reasons)}.")


def _past(cart: Cart, now: datetime) -> bool:
    return cart.expires_at is not None and cart.expires_at <= now
