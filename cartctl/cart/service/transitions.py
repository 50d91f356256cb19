"""A cart is abandoned, and its shopper comes back (D1)."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import update

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import TransitionInvalid
from cartctl.cart.lifecycle import states
from cartctl.cart.service.changes import CartView, finish, lock
from cartctl.cart.service.opening import read_cart
from cartctl.cart.service.scope import Scope
from cartctl.cart.store.sql_engine import naive
from cartctl.cart.store.tables import CartRow


def abandon(scope: Scope, cart_id: str, after: timedelta) -> CartView:
    """Mark a cart as abandoned that has had no activity for `after`. Raises TransitionInvalid for any other."""
    stored = lock(scope, cart_id)
    left = states.abandon(stored.cart, scope.now, after)
    change = update(CartRow).where(CartRow.id == cart_id)
    stamped = {"status": left.status, "abandoned_at": left.abandoned_at, "updated_at": scope.now}
    scope.connection.execute(change.values(**stamped, version=CartRow.version + 1))
    return read_cart(scope, cart_id)


def recover(scope: Scope, cart_id: str, abandoned_at: datetime | None) -> CartView:
    """The shopper has followed the link of a recovery mail: the cart is active again, and the click is counted.

    With `abandoned_at` only from that abandonment, so that a link works once. Raises TransitionInvalid for any other.
    """
    stored = lock(scope, cart_id)
    left = stored.cart.status is CartStatus.ABANDONED and stored.cart.abandoned_at
    if abandoned_at is not None and left != naive(abandoned_at):
        raise TransitionInvalid(f"Cart {cart_id} has not been abandoned since that time.")
    back = states.follow_recovery_link(stored.cart, scope.now, scope.lifetime)
    return finish(scope, replace(stored), columns={"recoveryClicks": back.recovery_clicks})
