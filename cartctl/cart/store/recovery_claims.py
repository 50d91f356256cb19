"""Recovery mails (D10): which carts are due for one, claimed by whoever sends it. A customer is an account or an e-mail.

Accounts with the same e-mail are one customer. Without the index below, all e-mails of the companies are grouped once per
statement, since nothing else serves that; with it, each candidate's is looked up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    TextClause,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.orm import aliased

from cartctl.cart.enums import CartStatus
from cartctl.cart.lifecycle.recovery import window
from cartctl.cart.store.batch_statements import BATCH, Companies, changed, locked_batch, of_companies
from cartctl.cart.store.checkout.metadata import paying
from cartctl.cart.store.sql_engine import Statement, aware, naive
from cartctl.cart.store.tables import CartRow
from cartctl.cart.store.tables.platform import CUSTOMERS

UNSENT = text(
    "carts.status = 'ABANDONED' AND carts.\"recoveryEmailSent\" = false"
)  # idx_carts_recovery_candidates
CONTACTABLE = text(
    """(SELECT btrim(customers.email) <> '' FROM customers
        WHERE customers.id = carts."customerId" AND customers."companyId" = carts."companyId")"""
)  # looked up for each candidate: EXISTS lets the planner read every customer there is


EMAIL_INDEX = """
CREATE INDEX CONCURRENTLY customers_canonical_email ON customers ("companyId", lower(btrim(email)))
"""
"""An index on the platform's table, for its owner to create: with many customers it makes claims many times as fast."""
_HAS_EMAIL_INDEX = text(
    """SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = to_regclass('customers') AND indisvalid
       AND pg_get_indexdef(indexrelid) LIKE '%btree ("companyId", lower(btrim(email)))')"""
)


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
) -> list[RecoveryClaim]:
    """Claim up to `size` carts for a recovery mail (D10), longest abandoned first; or one cart, where it is due.

    `unsubscribed_sql` is a SELECT of the ids of customers who do not want such mails. Commit before the mails are sent: a
    mail is sent at most once, whatever happens between.
    """
    by_index = bool(connection.scalar(_HAS_EMAIL_INDEX))
    due = candidates(now, companies, unsubscribed_sql=unsubscribed_sql, by_email_index=by_index)
    batch = locked_batch(
        (due if cart_id is None else due.where(CartRow.id == cart_id)).order_by(CartRow.abandoned_at), size
    )
    change = (
        update(CartRow)
        .where(CartRow.id == batch.c.id)
        .values(recovery_email_sent=True, recovery_email_sent_at=naive(now), updated_at=naive(now))
        .returning(CartRow.id, CartRow.company_id, CartRow.customer_id, CartRow.abandoned_at)
    )
    rows = connection.execute(change, execution_options={"synchronize_session": False}).all()
    return sorted((_claim(row) for row in rows), key=lambda claim: (claim.abandoned_at, claim.cart_id))


def candidates(
    now: datetime,
    companies: Companies = None,
    *,
    unsubscribed_sql: str | None = None,
    by_email_index: bool = False,
) -> Statement:
    """The ids of carts that are due for a recovery mail (D10).

    `by_email_index` looks other accounts with the same e-mail up for each cart: quick where EMAIL_INDEX exists, else slow.
    """
    after, until = window(naive(now))
    due = select(CartRow.id).where(
        UNSENT,
        CartRow.abandoned_at > after,
        CartRow.abandoned_at <= until,
        CartRow.item_count > 0,
        or_(CartRow.expires_at.is_(None), CartRow.expires_at > naive(now)),
        ~paying(now),
        CONTACTABLE,
        ~_other_cart_prevents(now),
        ~_other_account_prevents(now)
        if by_email_index
        else _no_cart_of_the_same_email_prevents(now, companies),
    )
    if unsubscribed_sql is not None:
        due = due.where(_subscribed(unsubscribed_sql))
    return of_companies(due, CartRow.company_id, companies)


def _prevents(other: Any, now: datetime) -> ColumnElement[bool]:
    """Whether another cart of the customer's is a reason not to write: bought since, newer, mailed to, being paid for."""
    newer = tuple_(other.last_activity_at, other.id) > tuple_(CartRow.last_activity_at, CartRow.id)
    is_open = or_(other.status == CartStatus.ACTIVE, other.status == CartStatus.ABANDONED)
    return and_(
        other.company_id == CartRow.company_id,
        other.id != CartRow.id,
        or_(
            and_(
                other.status == CartStatus.CONVERTED,
                other.converted_at > CartRow.last_activity_at,
            ),
            and_(is_open, other.item_count > 0, newer),
            other.recovery_email_sent_at > window(naive(now))[0],
            and_(is_open, paying(now, other)),
        ),
    )


def _other_cart_prevents(now: datetime) -> ColumnElement[bool]:
    other = aliased(CartRow)
    return exists().where(other.customer_id == CartRow.customer_id, _prevents(other, now))


def _other_account_prevents(now: datetime) -> ColumnElement[bool]:
    """Whether a cart of another account with the customer's e-mail, in any case, is a reason not to write."""
    own, account, other = CUSTOMERS.alias("own"), CUSTOMERS.alias("account"), aliased(CartRow)
    same = and_(
        account.c.companyId == own.c.companyId,
        func.lower(func.btrim(account.c.email)) == func.lower(func.btrim(own.c.email)),
        account.c.id != own.c.id,
    )
    cart = and_(other.customer_id == account.c.id, _prevents(other, now))
    accounts = select(own.c.id).join(account, same).join(other, cart)
    mine = (own.c.id == CartRow.customer_id, own.c.companyId == CartRow.company_id)
    return exists(accounts.where(*mine).correlate(CartRow))


def _no_cart_of_the_same_email_prevents(now: datetime, companies: Companies) -> ColumnElement[bool]:
    """The same for the other accounts with the customer's e-mail, in any case. True where there are none, as usual."""
    email = func.lower(func.btrim(CUSTOMERS.c.email))
    shared = select(CUSTOMERS.c.companyId, email).group_by(CUSTOMERS.c.companyId, email)
    shared = of_companies(shared.having(func.count() > 1), CUSTOMERS.c.companyId, companies)
    own, account, other = CUSTOMERS.alias("own"), CUSTOMERS.alias("account"), aliased(CartRow)
    canonical = func.lower(func.btrim(own.c.email))
    mine = select(canonical).where(own.c.id == CartRow.customer_id).correlate(CartRow).scalar_subquery()
    same = and_(account.c.companyId == CartRow.company_id, func.lower(func.btrim(account.c.email)) == mine)
    cart = and_(other.customer_id == account.c.id, _prevents(other, now))
    theirs = exists(select(account.c.id).join(other, cart).where(same).correlate(CartRow))
    return case((tuple_(CartRow.company_id, mine).in_(shared), ~theirs), else_=true())


def _subscribed(query: str) -> TextClause:
    """Whether a query of customers' ids, which may have any colon in it, does not have the cart's customer."""
    ids = query.strip().rstrip(";").replace(":", r"\:")
    own = 'CAST(unsubscribed.id AS text) = carts."customerId"'
    return text(f"NOT EXISTS (SELECT FROM ({ids}) AS unsubscribed (id) WHERE {own})")


def waiting_companies(connection: Connection, now: datetime) -> list[str]:
    """The companies that have carts due for a recovery mail. Read-only."""
    due = candidates(now).with_only_columns(CartRow.company_id).distinct()
    return list(connection.scalars(due))


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
