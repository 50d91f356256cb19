"""Which abandoned carts are written to, and that each is written to at most once (D10)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cartctl.cart.enums import CartStatus
from cartctl.cart.lifecycle.cart import Cart

NOT_BEFORE = timedelta(hours=1)
NOT_AFTER = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Shopper:
    """What is known of the customer who left a cart, over all accounts with their e-mail in that company.

    `converted_at` is their latest conversion, `newer_cart` whether another cart of theirs with something in it, active or
    abandoned, has later activity, `mailed_at` when another cart's recovery mail was sent last.
    """

    contactable: bool
    converted_at: datetime | None = None
    newer_cart: bool = False
    mailed_at: datetime | None = None
    paying: bool = False
    unsubscribed: bool = False


Key = tuple[str, datetime]  # the cart and when it was abandoned: the mailer's idempotency key


def window(now: datetime) -> tuple[datetime, datetime]:
    """Carts abandoned after the first and up to the second of these times are candidates."""
    return now - NOT_AFTER, now - NOT_BEFORE


def is_candidate(cart: Cart, shopper: Shopper, now: datetime) -> bool:
    """Whether a recovery mail should be sent for a cart."""
    after, until = window(now)
    abandoned_at = cart.abandoned_at
    if cart.status is not CartStatus.ABANDONED or abandoned_at is None or cart.recovery_email_sent:
        return False
    if cart.expires_at is not None and cart.expires_at <= now:
        return False
    bought_since = shopper.converted_at is not None and shopper.converted_at > cart.last_activity_at
    mailed = shopper.mailed_at is not None and shopper.mailed_at > after
    prevented = (bought_since, mailed, shopper.newer_cart, shopper.paying, shopper.unsubscribed)
    in_time = after < abandoned_at <= until
    return in_time and cart.item_count > 0 and shopper.contactable and not any(prevented)


def claimed(cart: Cart, now: datetime) -> tuple[Cart, Key]:
    """A candidate as it is written before its mail is sent, and the key that it is sent with.

    Raises ValueError for a cart that was never abandoned.
    """
    if cart.abandoned_at is None:
        raise ValueError(f"cart {cart.id} was never abandoned")
    return replace(cart, recovery_email_sent=True, recovery_email_sent_at=now), (cart.id, cart.abandoned_at)


def rejected(cart: Cart) -> Cart:
    """A claimed cart whose mail was definitely not sent; anything less definite leaves the claim as it is."""
    return replace(cart, recovery_email_sent=False, recovery_email_sent_at=None)
