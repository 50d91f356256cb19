"""Sessions that follow a visitor from site to site (D1): active until they expire, are merged or revoked."""

from dataclasses import dataclass, replace
from datetime import datetime

from cartctl.cart.enums import CartStatus
from cartctl.cart.enums import CrossSiteSessionStatus as Status
from cartctl.cart.errors import SessionNotActive, TransitionInvalid
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.tenancy import of_company


@dataclass(frozen=True, slots=True)
class Session:
    """A visitor's session. Times are UTC."""

    id: str
    company_id: str
    session_token: str
    status: Status
    expires_at: datetime
    last_active_at: datetime
    customer_id: str | None = None


def refuse_ended(session: Session) -> None:
    """Raises SessionNotActive for a session that has ended; nothing leaves that."""
    if session.status is not Status.ACTIVE:
        raise SessionNotActive(f"Session {session.id} is {session.status.value}.")


def usable(session: Session, company_id: str, now: datetime) -> Session:
    """The session, used now. Raises NotFound for another company's (D12), SessionNotActive for one that is over."""
    refuse_ended(of_company(session, company_id, "session"))
    if is_expired(session, now):
        raise SessionNotActive(f"Session {session.id} has expired.")
    return replace(session, last_active_at=now)


def is_expired(session: Session, now: datetime) -> bool:
    """Whether an active session has expired."""
    return session.status is Status.ACTIVE and session.expires_at <= now


def expire(session: Session, now: datetime) -> Session:
    """ACTIVE to EXPIRED. Raises SessionNotActive, and TransitionInvalid before its time."""
    refuse_ended(session)
    if not is_expired(session, now):
        raise TransitionInvalid(f"Session {session.id} is not due to expire.")
    return replace(session, status=Status.EXPIRED)


def is_outdated(session: Session, cart: Cart) -> bool:
    """Whether the guest of a session has logged in since: its cart is a customer's now, or went into a customer's.

    A session lasts no longer than the guest's token, which a merge replaces (D9).
    """
    return session.customer_id is None and (cart.customer_id is not None or cart.status is CartStatus.MERGED)


def merge(session: Session, customer_id: str | None) -> Session:
    """ACTIVE to MERGED: the visitor turned out to be a customer. Raises SessionNotActive."""
    refuse_ended(session)
    return replace(session, status=Status.MERGED, customer_id=customer_id)


def revoke(session: Session) -> Session:
    """ACTIVE to REVOKED. Raises SessionNotActive."""
    refuse_ended(session)
    return replace(session, status=Status.REVOKED)
