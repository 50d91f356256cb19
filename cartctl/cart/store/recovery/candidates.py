"""Which carts are due for a recovery mail (D10). A customer is an account or an e-mail.

Accounts with the same e-mail are one customer. Without the index below, the e-mails of the companies' customers are compared
with those of the waiting carts, once per statement; with it, each candidate's is looked up.
"""

from datetime import datetime
from typing import Any, TypeAlias

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
)
from sqlalchemy.orm import aliased

from cartctl.cart.enums import CartStatus
from cartctl.cart.lifecycle.recovery import window
from cartctl.cart.store.batch_statements import Companies, of_companies
from cartctl.cart.store.checkout.metadata import paying
from cartctl.cart.store.sql_engine import Statement, naive
from cartctl.cart.store.tables import CartRow
from cartctl.cart.store.tables.platform import CUSTOMERS

UNSENT = text(
    "carts.status = 'ABANDONED' AND carts.\"recoveryEmailSent\" = false"
)  # idx_carts_recovery_candidates
Conditions: TypeAlias = tuple[ColumnElement[bool] | TextClause, ...]

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


def has_email_index(connection: Connection) -> bool:
    """Whether the optional index of e-mails exists."""
    return bool(connection.scalar(_HAS_EMAIL_INDEX))


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
    due = conditions(now, companies, unsubscribed_sql=unsubscribed_sql, by_email_index=by_email_index)
    return of_companies(select(CartRow.id).where(*due), CartRow.company_id, companies)


def in_window(now: datetime) -> Conditions:
    """What a candidate's own row must be: left long enough and not too long ago, unsent, not empty, not expired."""
    after, until = window(naive(now))
    return (
        UNSENT,
        CartRow.abandoned_at > after,
        CartRow.abandoned_at <= until,
        CartRow.item_count > 0,
        or_(CartRow.expires_at.is_(None), CartRow.expires_at > naive(now)),
    )


def conditions(
    now: datetime,
    companies: Companies = None,
    *,
    unsubscribed_sql: str | None = None,
    by_email_index: bool = False,
) -> Conditions:
    """All that is required of a candidate of these companies; see `candidates`."""
    if by_email_index:
        others = ~_other_account_prevents(now)
    else:
        others = _no_cart_of_the_same_email_prevents(now, companies)
    subscribed = () if unsubscribed_sql is None else (_subscribed(unsubscribed_sql),)
    return (*in_window(now), ~paying(now), CONTACTABLE, ~_other_cart_prevents(now), others, *subscribed)


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
    shared = shared.where(tuple_(CUSTOMERS.c.companyId, email).in_(_emails_of_the_waiting(now, companies)))
    own, account, other = CUSTOMERS.alias("own"), CUSTOMERS.alias("account"), aliased(CartRow)
    canonical = func.lower(func.btrim(own.c.email))
    mine = select(canonical).where(own.c.id == CartRow.customer_id).correlate(CartRow).scalar_subquery()
    same = and_(account.c.companyId == CartRow.company_id, func.lower(func.btrim(account.c.email)) == mine)
    cart = and_(other.customer_id == account.c.id, _prevents(other, now))
    theirs = exists(select(account.c.id).join(other, cart).where(same).correlate(CartRow))
    return case((tuple_(CartRow.company_id, mine).in_(shared), ~theirs), else_=true())


def _emails_of_the_waiting(now: datetime, companies: Companies) -> Statement:
    """The e-mails of the customers of all carts that may be candidates, with their companies: few of all there are."""
    account = CUSTOMERS.alias("waiting_customer")
    email = func.lower(func.btrim(account.c.email))
    waiting = select(account.c.companyId, email).join(CartRow, account.c.id == CartRow.customer_id)
    return of_companies(waiting.where(*in_window(now)), CartRow.company_id, companies).correlate(None)


def _subscribed(query: str) -> TextClause:
    """Whether a query of customers' ids, which may have any colon in it, does not have the cart's customer."""
    ids = query.strip().rstrip(";").replace(":", r"\:")
    own = 'CAST(unsubscribed.id AS text) = carts."customerId"'
    return text(f"NOT EXISTS (SELECT FROM ({ids}) AS unsubscribed (id) WHERE {own})")


def waiting_companies(connection: Connection, now: datetime) -> list[str]:
    """The companies that have carts due for a recovery mail, sorted. Read-only.

    From one company to the next by their index, and in each as far as the first such cart.
    """
    own = CartRow.company_id
    first = select(func.min(own).label("id")).where(UNSENT)
    known = first.cte("known", recursive=True)
    following = select(func.min(own)).where(UNSENT, own > known.c.id).scalar_subquery()
    known = known.union_all(select(following).where(known.c.id.is_not(None)))
    due = conditions(now, by_email_index=has_email_index(connection))
    one = select(own).where(own == known.c.id, *due).limit(1).lateral("one")
    return list(connection.scalars(select(known.c.id).join(one, true()).order_by(known.c.id)))
