"""Claims of carts for recovery mails (D10), made by the program that sends them: each cart is claimed once.

Carts are taken up in the order of abandonment and examined one after the other, until there are enough. A run that keeps its
`Position` does not examine again what it has found not to be due.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, select, true, update

from cartctl.cart.enums import CartStatus
from cartctl.cart.store.batch_statements import BATCH, Companies, Position, changed, of_companies
from cartctl.cart.store.recovery.candidates import Conditions, conditions, has_email_index, in_window
from cartctl.cart.store.sql_engine import Statement, aware, naive
from cartctl.cart.store.tables import CartRow


@dataclass(frozen=True, slots=True)
class RecoveryClaim:
    """A cart claimed for a recovery e-mail. The e-mail's idempotency key is (cart_id, abandoned_at)."""

    kind: ClassVar[str] = "recovery_claim"

    cart_id: str
    company_id: str
    customer_id: str
    abandoned_at: datetime


def claim_recovery(
    connection: Connection,
    now: datetime,
    *,
    size: int = BATCH,
    companies: Companies = None,
    cart_id: str | None = None,
    unsubscribed_sql: str | None = None,
    position: Position | None = None,
) -> list[RecoveryClaim]:
    """Claim up to `size` carts for a recovery mail (D10), longest abandoned first; or one cart, where it is due.

    `unsubscribed_sql` is a SELECT of the ids of customers who do not want such mails. Commit before the mails are sent: a
    mail is sent at most once, whatever happens between. A run of many batches passes the same `position` to each.
    """
    by_index = has_email_index(connection)
    due = conditions(now, companies, unsubscribed_sql=unsubscribed_sql, by_email_index=by_index)

    def claim_since(start: datetime | None) -> list[RecoveryClaim]:
        waiting = waiting_since(now, companies, start)
        if cart_id is not None:
            waiting = waiting.where(CartRow.id == cart_id)
        return _claimed(connection, first_due(waiting, due, size), now)

    return (position or Position()).take(claim_since, lambda claim: claim.abandoned_at, size)


def waiting_since(now: datetime, companies: Companies = None, start: datetime | None = None) -> Statement:
    """The ids of carts that may be candidates by what stands in their own row, of those abandoned since `start`."""
    waiting = select(CartRow.id).where(*in_window(now), CartRow.customer_id.is_not(None))
    if start is not None:
        waiting = waiting.where(CartRow.abandoned_at >= naive(start))
    return of_companies(waiting, CartRow.company_id, companies)


def first_due(waiting: Statement, due: Conditions, size: int) -> Statement:
    """The first `size` of the waiting carts that are due, locked; those that others work on are skipped.

    OFFSET makes the server put the carts in order before it examines any, and end when there are enough: without it, and without
    an index in that order, it examines all of them and sorts what is left.
    """
    first = waiting.order_by(CartRow.abandoned_at).offset(0).subquery("waiting")
    own = select(CartRow.id).where(CartRow.id == first.c.id, *due)
    examined = own.with_for_update(skip_locked=True, of=CartRow).lateral("examined")
    return select(examined.c.id).select_from(first).join(examined, true()).limit(size)


def _claimed(connection: Connection, due: Statement, now: datetime) -> list[RecoveryClaim]:
    batch = due.cte("taken").prefix_with("MATERIALIZED", dialect="postgresql")
    change = (
        update(CartRow)
        .where(CartRow.id == batch.c.id)
        .values(recovery_email_sent=True, recovery_email_sent_at=naive(now), updated_at=naive(now))
        .returning(CartRow.id, CartRow.company_id, CartRow.customer_id, CartRow.abandoned_at)
    )
    claimed = connection.execute(change, execution_options={"synchronize_session": False}).all()
    return sorted(map(_claim, claimed), key=lambda claim: (claim.abandoned_at, claim.cart_id))


def reject_recovery(connection: Connection, claim: RecoveryClaim, now: datetime) -> bool:
    """Revoke a claim whose mail was definitely refused; False when the cart has moved on since."""
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
    return changed(connection, change) == 1


def _claim(row: Any) -> RecoveryClaim:
    abandoned_at = aware(row.abandonedAt)
    if abandoned_at is None:
        raise ValueError(f"cart {row.id} was never abandoned")
    return RecoveryClaim(row.id, row.companyId, row.customerId, abandoned_at)
