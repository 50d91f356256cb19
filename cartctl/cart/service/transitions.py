"""A cart is abandoned, and its shopper comes back (D1)."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from cartctl.cart.lifecycle import states
from cartctl.cart.service.changes import CartView, finish, lock
from cartctl.cart.service.opening import read_cart
from cartctl.cart.service.scope import Scope
from cartctl.cart.store.tables import CartRow


def abandon(scope: Scope, cart_id: str, after: timedelta) -> CartView:
    """Mark a cart as abandoned that has had no activity for `after`. Raises TransitionInvalid for any other."""
    stored = lock(scope, cart_id)
    left = states.abandon(stored.cart, scope.now, after)
    change = update(CartRow).where(CartRow.id == cart_id)
    stamped = {"status": left.status, "abandoned_at": left.abandoned_at, "updated_at": scope.now}
    scope.connection.execute(change.values(**stamped, version=CartRow.version + 1))
    return read_cart(scope, cart_id)


def recover(scope: Scope, cart_id: str) -> CartView:
    """The shopper has followed the link of a recovery mail: the cart is active again, and the click is counted."""
    stored = lock(scope, cart_id)
    back = states.follow_recovery_link(stored.cart, scope.now, scope.lifetime)
    return finish(scope, replace(stored), columns={"recoveryClicks": back.recovery_clicks})
