"""Opens carts, and finds those that are there: a guest's by its token, a customer's by currency and type of site."""

import secrets
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, func, insert, or_, select

from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.errors import NotFound
from cartctl.cart.lifecycle.payment import accepted_quote
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.money import currency as known_currency
from cartctl.cart.service.changes import CartView, finish, view
from cartctl.cart.service.scope import Scope, new_id
from cartctl.cart.store.checkout.quote_json import sold_quote
from cartctl.cart.store.checkout.stored_cart import load_stored
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.tables import CartRow


def open_cart(
    scope: Scope,
    currency: str,
    customer_id: str | None,
    session_token: str | None,
    site_id: str | None,
    site_type: SiteType,
    visitor_id: str | None,
) -> CartView:
    """The open cart of a customer or of a guest's token, else a new one; a guest's new cart has a new token."""
    code = known_currency(currency).code
    scope.refuse_foreign("customers", customer_id)
    scope.refuse_foreign("sites", site_id)
    refuse_unstorable(
        **{name: v for name, v in (("sessionToken", session_token), ("visitorId", visitor_id)) if v}
    )
    own = owner(customer_id, session_token)
    if customer_id is not None:
        lock_customer(scope, customer_id)
    if own is not None and (open_id := find_open(scope, own, code, site_type)) is not None:
        return read_cart(scope, open_id)
    cart_id = new_id()
    scope.connection.execute(
        insert(CartRow).values(
            id=cart_id,
            company_id=scope.company_id,
            site_id=site_id,
            customer_id=customer_id,
            session_token=new_token() if customer_id is None else None,
            visitor_id=visitor_id,
            currency=code,
            site_type=site_type,
            created_at=scope.now,
            updated_at=scope.now,
            last_activity_at=scope.now,
            expires_at=scope.now + scope.lifetime,
        )
    )
    return read_cart(scope, cart_id)


def find_by_token(scope: Scope, session_token: str) -> CartView:
    """The guest's cart that has this token. Raises NotFound."""
    refuse_unstorable(sessionToken=session_token)
    own = select(CartRow.id).where(
        CartRow.company_id == scope.company_id, CartRow.session_token == session_token
    )
    cart_id = scope.connection.scalar(own)
    if cart_id is None:
        raise NotFound("No cart has this token.")
    return read_cart(scope, cart_id)


def read_cart(scope: Scope, cart_id: str) -> CartView:
    """A cart with its price, whatever its status; nothing is written. Raises NotFound.

    The quote of a converted cart, and its items, are what was sold: other applications may have added lines since.
    """
    refuse_unstorable(cartId=cart_id)
    stored = load_stored(scope.connection, scope.company_id, cart_id, locked=False)
    sold = sold_quote(stored.row["metadata"]) if stored.cart.status is CartStatus.CONVERTED else None
    if sold is not None:
        units = {line.id: line.quantity for line in sold.lines}
        items = (replace(item, quantity=units[item.id]) for item in stored.items if item.id in units)
        stored = replace(stored, items=tuple(items))
    request = stored.request(scope.connection, scope.now, scope.terms)
    priced = price(request)
    payment = stored.payment
    in_flight = payment is not None and payment.in_flight(scope.now)
    paid = payment.quote if payment is not None and in_flight else None
    return view(stored, priced, sold or paid or accepted_quote(request, priced), stored.row["version"])


def price_cart(scope: Scope, cart_id: str) -> CartView:
    """A cart with its price, written as what is shown to the shopper. A cart that ended or is paid for is only read."""
    refuse_unstorable(cartId=cart_id)
    stored = load_stored(scope.connection, scope.company_id, cart_id)
    payment = stored.payment
    if stored.cart.status not in {CartStatus.ACTIVE, CartStatus.ABANDONED}:
        return read_cart(scope, cart_id)
    if payment is not None and payment.in_flight(scope.now):
        return read_cart(scope, cart_id)
    return finish(scope, stored, touched=False)


def find_open(
    scope: Scope, own: ColumnElement[bool], currency: str | None, site_type: SiteType | None
) -> str | None:
    """The id of somebody's cart with the latest activity that is active or abandoned and not past its time."""
    unexpired = or_(CartRow.expires_at.is_(None), CartRow.expires_at > scope.now)
    statement = select(CartRow.id).where(
        CartRow.company_id == scope.company_id,
        own,
        CartRow.status.in_((CartStatus.ACTIVE, CartStatus.ABANDONED)),
        unexpired,
    )
    if currency is not None:
        statement = statement.where(CartRow.currency == currency)
    if site_type is not None:
        statement = statement.where(CartRow.site_type == site_type)
    latest = statement.order_by(CartRow.last_activity_at.desc(), CartRow.id).limit(1)
    open_id: Any = scope.connection.scalar(latest)
    return None if open_id is None else str(open_id)


def owner(customer_id: str | None, session_token: str | None) -> ColumnElement[bool] | None:
    """Whose carts are meant: a customer's, or those of a guest's token; None for nobody in particular."""
    if customer_id is not None:
        return CartRow.customer_id == customer_id
    if session_token is not None:
        return CartRow.session_token == session_token
    return None


def lock_customer(scope: Scope, customer_id: str) -> None:
    """Let one transaction at a time open or merge carts of a customer: no table has a row to lock for that."""
    key = func.hashtextextended(f"cart:{scope.company_id}:{customer_id}", 0)
    scope.connection.execute(select(func.pg_advisory_xact_lock(key)))


def new_token() -> str:
    """A new secret for a guest."""
    return secrets.token_urlsafe(32)
