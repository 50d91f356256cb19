"""The background jobs, one batch at a time: each takes rows that nobody else is working on, in the caller's transaction.

Locked rows are skipped, so that workers beside each other never do one row twice and never wait for each other. The
predicates of the partial indexes stand here as literals: bound parameters would keep the planner from using them.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Update, and_, or_, select, text, update

from cartctl.cart.enums import CartStatus, CrossSiteSessionStatus
from cartctl.cart.lifecycle.states import ABANDON_AFTER
from cartctl.cart.store.batch_statements import (
    BATCH,
    Companies,
    Position,
    changed,
    locked_batch,
    of_companies,
)
from cartctl.cart.store.checkout.metadata import paying
from cartctl.cart.store.recovery.candidates import candidates, waiting_companies
from cartctl.cart.store.recovery.claims import RecoveryClaim, claim_recovery, reject_recovery
from cartctl.cart.store.sql_engine import Statement, naive
from cartctl.cart.store.tables import CartRow, CrossSiteSessionRow

__all__ = [
    "BATCH",
    "Position",
    "RecoveryClaim",
    "abandon_carts",
    "candidates",
    "claim_recovery",
    "due_sessions",
    "due_to_abandon",
    "due_to_expire",
    "expire_carts",
    "expire_sessions",
    "reject_recovery",
    "waiting_companies",
]

DUE = text("carts.status = 'ACTIVE' AND carts.\"expiresAt\" IS NOT NULL")  # idx_carts_expiration
LEFT = text("carts.status = 'ABANDONED'")
OPEN = text("cross_site_sessions.status = 'ACTIVE'")  # idx_cross_site_sessions_cleanup


def expire_carts(
    connection: Connection, now: datetime, *, size: int = BATCH, companies: Companies = None
) -> int:
    """Expire up to `size` carts that are past their time and not being paid for (D1); gives how many."""
    done = 0
    for which in (DUE, LEFT):
        if done < size:
            done += changed(connection, _expiry(which, now, size - done, companies))
    return done


def due_to_expire(which: Any, now: datetime, companies: Companies = None) -> Statement:
    """The ids of carts that are past their time; `which` is DUE for active ones, LEFT for abandoned ones."""
    due = select(CartRow.id).where(which, CartRow.expires_at <= naive(now), ~paying(now))
    return of_companies(due, CartRow.company_id, companies)


def _expiry(which: Any, now: datetime, size: int, companies: Companies) -> Update:
    batch = locked_batch(due_to_expire(which, now, companies).order_by(CartRow.expires_at), size)
    change = update(CartRow).where(CartRow.id == batch.c.id)
    return change.values(status=CartStatus.EXPIRED, updated_at=naive(now))


def abandon_carts(
    connection: Connection,
    now: datetime,
    *,
    size: int = BATCH,
    companies: Companies = None,
    after: timedelta = ABANDON_AFTER,
    position: Position | None = None,
) -> int:
    """Mark up to `size` carts as abandoned that were left alone for long enough (D1); gives how many.

    Longest idle first. A run of many batches passes the same `position` to each.
    """

    def abandon_since(start: datetime | None) -> list[datetime]:
        since = CartRow.expires_at > naive(now) if start is None else CartRow.expires_at >= start
        return _abandoned(connection, _idle(now, companies, after).where(since), size, now)

    done = len((position or Position()).take(abandon_since, lambda expires: expires, size))
    for rest in (CartRow.expires_at.is_(None), and_(CartRow.expires_at <= naive(now), paying(now))):
        if done < size:
            done += len(_abandoned(connection, _idle(now, companies, after).where(rest), size - done, now))
    return done


def _abandoned(connection: Connection, due: Statement, size: int, now: datetime) -> list[datetime]:
    """Abandon the first of the carts that are due; gives when they would have expired. An index has them in this order."""
    batch = locked_batch(due.order_by(CartRow.expires_at), size)
    stamped = {"status": CartStatus.ABANDONED, "abandoned_at": naive(now), "updated_at": naive(now)}
    change = update(CartRow).where(CartRow.id == batch.c.id).values(**stamped).returning(CartRow.expires_at)
    abandoned = connection.execute(change, execution_options={"synchronize_session": False}).scalars()
    return [at or naive(now) for at in abandoned]


def due_to_abandon(now: datetime, companies: Companies = None, after: timedelta = ABANDON_AFTER) -> Statement:
    """The ids of active carts with something in them and no activity for `after`; one that is due to expire is none."""
    unexpired = or_(CartRow.expires_at.is_(None), CartRow.expires_at > naive(now), paying(now))
    return _idle(now, companies, after).where(unexpired)


def _idle(now: datetime, companies: Companies, after: timedelta) -> Statement:
    """The ids of active carts with something in them and no activity for `after`."""
    idle = select(CartRow.id).where(
        text("carts.status = 'ACTIVE'"),
        CartRow.item_count > 0,
        CartRow.last_activity_at <= naive(now) - after,
    )
    return of_companies(idle, CartRow.company_id, companies)


def expire_sessions(
    connection: Connection, now: datetime, *, size: int = BATCH, companies: Companies = None
) -> int:
    """Expire up to `size` sessions that are past their time (D1); gives how many."""
    due = due_sessions(now, companies).order_by(CrossSiteSessionRow.expires_at)
    batch = locked_batch(due, size)
    change = update(CrossSiteSessionRow).where(CrossSiteSessionRow.id == batch.c.id)
    return changed(connection, change.values(status=CrossSiteSessionStatus.EXPIRED, updated_at=naive(now)))


def due_sessions(now: datetime, companies: Companies = None) -> Statement:
    """The ids of sessions that are past their time."""
    due = select(CrossSiteSessionRow.id).where(OPEN, CrossSiteSessionRow.expires_at <= naive(now))
    return of_companies(due, CrossSiteSessionRow.company_id, companies)
