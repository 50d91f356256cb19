"""The background jobs, one batch at a time: each takes rows that nobody else is working on, in the caller's transaction.

Locked rows are skipped, so that workers beside each other never do one row twice and never wait for each other. The
predicates of the partial indexes stand here as literals: bound parameters would keep the planner from using them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import Connection, Update, exists, or_, select, text, update
from sqlalchemy.orm import aliased

from cartctl.cart.enums import CartStatus, CrossSiteSessionStatus
from cartctl.cart.lifecycle.recovery import window
from cartctl.cart.lifecycle.states import ABANDON_AFTER
from cartctl.cart.store.checkout.metadata import paying
from cartctl.cart.store.sql_engine import Statement, aware, naive
from cartctl.cart.store.tables import CartRow, CrossSiteSessionRow

BATCH = 500
DUE = text("carts.status = 'ACTIVE' AND carts.\"expiresAt\" IS NOT NULL")  # idx_carts_expiration
LEFT = text("carts.status = 'ABANDONED'")
UNSENT = text(
    "carts.status = 'ABANDONED' AND carts.\"recoveryEmailSent\" = false"
)  # idx_carts_recovery_candidates
OPEN = text("cross_site_sessions.status = 'ACTIVE'")  # idx_cross_site_sessions_cleanup
CONTACTABLE = text(
    """(SELECT btrim(customers.email) <> '' FROM customers
        WHERE customers.id = carts."customerId" AND customers."companyId" = carts."companyId")"""
)  # looked up for each candidate: EXISTS lets the planner read every customer there is


@dataclass(frozen=True, slots=True)
class RecoveryClaim:
    """A cart claimed for a recovery e-mail. The e-mail's idempotency key is (cart_id, abandoned_at)."""

    kind: ClassVar[str] = "recovery_claim"

    cart_id: str
    company_id: str
    customer_id: str
    abandoned_at: datetime


Companies = Sequence[str] | None  # None: all of them


def expire_carts(
    connection: Connection, now: datetime, *, size: int = BATCH, companies: Companies = None
) -> int:
    """Expire up to `size` carts that are past their time and not being paid for (D1); gives how many."""
    done = 0
    for which in (DUE, LEFT):
        if done < size:
            done += _changed(connection, _expiry(which, now, size - done, companies))
    return done


def due_to_expire(which: Any, now: datetime, companies: Companies = None) -> Statement:
    """The ids of carts that are past their time; `which` is DUE for active ones, LEFT for abandoned ones."""
    due = select(CartRow.id).where(which, CartRow.expires_at <= naive(now), ~paying(now))
    return _of(due, CartRow.company_id, companies)


def _expiry(which: Any, now: datetime, size: int, companies: Companies) -> Update:
    taken = _taken(due_to_expire(which, now, companies).order_by(CartRow.expires_at), size)
    change = update(CartRow).where(CartRow.id == taken.c.id)
    return change.values(status=CartStatus.EXPIRED, updated_at=naive(now))


def abandon_carts(
    connection: Connection,
    now: datetime,
    *,
    size: int = BATCH,
    companies: Companies = None,
    after: timedelta = ABANDON_AFTER,
) -> int:
    """Mark up to `size` carts as abandoned that were left alone for long enough (D1); gives how many."""
    longest_idle = due_to_abandon(now, companies, after).order_by(
        CartRow.expires_at
    )  # an index has them in this order
    taken = _taken(longest_idle, size)
    change = update(CartRow).where(CartRow.id == taken.c.id)
    stamped = {"status": CartStatus.ABANDONED, "abandoned_at": naive(now), "updated_at": naive(now)}
    return _changed(connection, change.values(**stamped))


def due_to_abandon(now: datetime, companies: Companies = None, after: timedelta = ABANDON_AFTER) -> Statement:
    """The ids of active carts with something in them and no activity for `after`; one that is due to expire is none."""
    living = or_(CartRow.expires_at.is_(None), CartRow.expires_at > naive(now), paying(now))
    idle = select(CartRow.id).where(
        text("carts.status = 'ACTIVE'"),
        CartRow.item_count > 0,
        CartRow.last_activity_at <= naive(now) - after,
        living,
    )
    return _of(idle, CartRow.company_id, companies)


def claim_recovery(
    connection: Connection,
    now: datetime,
    *,
    size: int = BATCH,
    companies: Companies = None,
    cart_id: str | None = None,
) -> list[RecoveryClaim]:
    """Claim up to `size` carts for a recovery mail (D10), longest abandoned first; or one cart, where it is due.

    Commit before the mails are sent: a mail is sent at most once, whatever happens between.
    """
    due = candidates(now, companies)
    taken = _taken(
        (due if cart_id is None else due.where(CartRow.id == cart_id)).order_by(CartRow.abandoned_at), size
    )
    change = (
        update(CartRow)
        .where(CartRow.id == taken.c.id)
        .values(recovery_email_sent=True, recovery_email_sent_at=naive(now), updated_at=naive(now))
        .returning(CartRow.id, CartRow.company_id, CartRow.customer_id, CartRow.abandoned_at)
    )
    found = connection.execute(change, execution_options={"synchronize_session": False}).all()
    return sorted((_claim(row) for row in found), key=lambda claim: (claim.abandoned_at, claim.cart_id))


def candidates(now: datetime, companies: Companies = None) -> Statement:
    """The ids of carts that are due for a recovery mail (D10)."""
    after, until = window(naive(now))
    later = aliased(CartRow)
    bought_since = exists().where(
        later.company_id == CartRow.company_id,
        later.customer_id == CartRow.customer_id,
        later.status == CartStatus.CONVERTED,
        later.converted_at > CartRow.abandoned_at,
    )
    due = select(CartRow.id).where(
        UNSENT,
        CartRow.abandoned_at > after,
        CartRow.abandoned_at <= until,
        CartRow.item_count > 0,
        CONTACTABLE,
        ~bought_since,
    )
    return _of(due, CartRow.company_id, companies)


def waiting_companies(connection: Connection, now: datetime) -> list[str]:
    """The companies that have carts due for a recovery mail. Read-only."""
    due = candidates(now).with_only_columns(CartRow.company_id).distinct()
    return list(connection.scalars(due))


def reject_recovery(connection: Connection, claim: RecoveryClaim, now: datetime) -> bool:
    """Take a claim back whose mail was definitely refused; False when the cart has moved on since."""
    change = (
        update(CartRow)
        .where(
            CartRow.company_id == claim.company_id,
            CartRow.id == claim.cart_id,
            CartRow.abandoned_at == naive(claim.abandoned_at),
            CartRow.status == CartStatus.ABANDONED,
            CartRow.recovery_email_sent,
        )
        .values(recovery_email_sent=False, recovery_email_sent_at=None, updated_at=naive(now))
    )
    return _changed(connection, change) == 1


def expire_sessions(
    connection: Connection, now: datetime, *, size: int = BATCH, companies: Companies = None
) -> int:
    """Expire up to `size` sessions that are past their time (D1); gives how many."""
    due = due_sessions(now, companies).order_by(CrossSiteSessionRow.expires_at)
    taken = _taken(due, size)
    change = update(CrossSiteSessionRow).where(CrossSiteSessionRow.id == taken.c.id)
    return _changed(connection, change.values(status=CrossSiteSessionStatus.EXPIRED, updated_at=naive(now)))


def due_sessions(now: datetime, companies: Companies = None) -> Statement:
    """The ids of sessions that are past their time."""
    due = select(CrossSiteSessionRow.id).where(OPEN, CrossSiteSessionRow.expires_at <= naive(now))
    return _of(due, CrossSiteSessionRow.company_id, companies)


def _of(due: Statement, column: Any, companies: Companies) -> Statement:
    if companies is None:
        return due
    return due.where(column == companies[0]) if len(companies) == 1 else due.where(column.in_(companies))


def _taken(due: Statement, size: int) -> Any:
    """The rows a batch works on: locked, those that others work on left out. Materialized, so that it is asked once."""
    batch = due.limit(size).with_for_update(skip_locked=True, of=due.column_descriptions[0]["entity"])
    return batch.cte("taken").prefix_with("MATERIALIZED", dialect="postgresql")


def _changed(connection: Connection, change: Update) -> int:
    return connection.execute(change, execution_options={"synchronize_session": False}).rowcount


def _claim(row: Any) -> RecoveryClaim:
    abandoned_at = aware(row.abandonedAt)
    if abandoned_at is None:
        raise ValueError(f"cart {row.id} was never abandoned")
    return RecoveryClaim(row.id, row.companyId, row.customerId, abandoned_at)
