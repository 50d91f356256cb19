"""Sessions that carry a visitor's cart from one site of the company to another."""

from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update

from cartctl.cart.enums import CrossSiteSessionStatus
from cartctl.cart.errors import NotFound, SessionNotActive
from cartctl.cart.lifecycle import sessions as rules
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.lifecycle.sessions import Session
from cartctl.cart.lifecycle.states import refuse_ended
from cartctl.cart.service.changes import CartView
from cartctl.cart.service.opening import new_token, read_cart
from cartctl.cart.service.scope import Scope, new_id
from cartctl.cart.store.checkout.stored_cart import load_stored
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.tables import CartRow, CrossSiteSessionRow

SESSION_LIFETIME = timedelta(hours=1)


def hand_over(scope: Scope, cart_id: str, visitor_id: str | None, lifetime: timedelta) -> str:
    """A new session for a cart; gives its token, which the other site shows. Raises NotFound and CartNotActive."""
    refuse_unstorable(cartId=cart_id, visitorId=visitor_id or "")
    stored = load_stored(scope.connection, scope.company_id, cart_id)
    refuse_ended(stored.cart)
    token = new_token()
    scope.connection.execute(
        insert(CrossSiteSessionRow).values(
            id=new_id(),
            company_id=scope.company_id,
            session_token=token,
            visitor_id=visitor_id,
            customer_id=stored.cart.customer_id,
            data_references=[{"type": "cart", "id": cart_id}],
            first_seen_at=scope.now,
            last_active_at=scope.now,
            expires_at=scope.now + lifetime,
            created_at=scope.now,
            updated_at=scope.now,
        )
    )
    return token


def continue_session(scope: Scope, token: str) -> CartView | SessionNotActive:
    """The cart of a session, on another site. Raises NotFound and SessionNotActive.

    Where the session's guest has logged in since, the session ends as MERGED, and the error is returned: the caller commits
    before raising it.
    """
    session, references = _session(scope, token)
    used = rules.usable(session, scope.company_id, scope.now)
    view = read_cart(scope, _cart_id(references))
    if rules.is_outdated(session, view.cart):
        return _merged(scope, session, view.cart)
    change = update(CrossSiteSessionRow).where(CrossSiteSessionRow.id == session.id)
    scope.connection.execute(change.values(last_active_at=used.last_active_at, updated_at=scope.now))
    return view


def _cart_id(references: Any) -> str:
    for reference in references if isinstance(references, list) else []:
        if isinstance(reference, dict) and reference.get("type") == "cart":
            return str(reference.get("id"))
    raise NotFound("The session has no cart.")


def _merged(scope: Scope, session: Session, cart: Cart) -> SessionNotActive:
    into = select(CartRow.customer_id).where(
        CartRow.company_id == scope.company_id, CartRow.id == (cart.merged_into_cart_id or cart.id)
    )
    ended = rules.merge(session, scope.connection.scalar(into))
    change = update(CrossSiteSessionRow).where(CrossSiteSessionRow.id == session.id)
    scope.connection.execute(
        change.values(status=ended.status, customer_id=ended.customer_id, updated_at=scope.now)
    )
    return SessionNotActive(f"Session {session.id} is MERGED: its guest has logged in.")


def end_session(scope: Scope, token: str) -> None:
    """Revoke a session: its token opens nothing any more. Raises NotFound and SessionNotActive."""
    session, _ = _session(scope, token)
    revoked = rules.revoke(session)
    change = update(CrossSiteSessionRow).where(CrossSiteSessionRow.id == session.id)
    scope.connection.execute(change.values(status=revoked.status, updated_at=scope.now))


def _session(scope: Scope, token: str) -> tuple[Session, Any]:
    """A session, its row locked, and what it refers to."""
    refuse_unstorable(sessionToken=token)
    own = select(CrossSiteSessionRow.__table__).where(
        CrossSiteSessionRow.company_id == scope.company_id, CrossSiteSessionRow.session_token == token
    )
    row = scope.connection.execute(own.with_for_update()).mappings().one_or_none()
    if row is None:
        raise NotFound("Session not found.")
    session = Session(
        id=row["id"],
        company_id=row["companyId"],
        session_token=row["sessionToken"],
        status=CrossSiteSessionStatus(row["status"]),
        expires_at=row["expiresAt"],
        last_active_at=row["lastActiveAt"],
        customer_id=row["customerId"],
    )
    return session, row["dataReferences"]
