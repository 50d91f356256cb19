"""The carts of one company, as its admins look at them. Read-only; every statement is bound to the company (D12)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from cartctl.domain.enums import CartStatus
from cartctl.domain.errors import NotFound
from cartctl.schema.engine import Statement, naive
from cartctl.schema.jobs import candidates
from cartctl.schema.tables import Cart, CartItem, CartPromotion, Promotion

PAGE = 50
LISTED = (
    *(Cart.id, Cart.status, Cart.currency, Cart.item_count, Cart.grand_total, Cart.customer_id, Cart.site_id),
    *(Cart.site_type, Cart.last_activity_at, Cart.abandoned_at, Cart.recovery_email_sent),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which carts are listed; None is no condition."""

    status: CartStatus | None = None
    customer_id: str | None = None
    site_id: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """Where a page ended: the next one goes on behind this cart."""

    last_activity_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Detail:
    """A cart with everything that hangs on it; rows by column."""

    cart: Mapping[str, Any]
    items: list[Mapping[str, Any]]
    promotions: list[Mapping[str, Any]]


class Carts:
    """One company's carts, through a connection that the caller opened."""

    def __init__(self, connection: Connection, company_id: str) -> None:
        self._connection = connection
        self._company_id = company_id

    def page(self, wanted: Filter, after: Key | None = None, *, size: int = PAGE) -> list[Mapping[str, Any]]:
        """Up to `size` carts by column, newest activity first, behind `after`."""
        return self._rows(listed(self._company_id, wanted, after, size))

    def detail(self, cart_id: str) -> Detail:
        """One cart with its lines in line order and the promotions applied to it. Raises NotFound."""
        mine = (Cart.company_id == self._company_id, Cart.id == cart_id)
        cart = self._connection.execute(select(Cart.__table__).where(*mine)).mappings().one_or_none()
        if cart is None:
            raise NotFound(f"There is no cart {cart_id}.")
        items = select(CartItem.__table__).where(CartItem.cart_id == cart_id)
        applied = (
            select(Promotion.id, Promotion.code, Promotion.name, CartPromotion.discount_amount)
            .join(CartPromotion, CartPromotion.promotion_id == Promotion.id)
            .where(CartPromotion.cart_id == cart_id, Promotion.company_id == self._company_id)
        )
        return Detail(
            dict(cart),
            self._rows(items.order_by(CartItem.added_at, CartItem.id)),
            self._rows(applied.order_by(Promotion.id)),
        )

    def require(self, cart_id: str) -> None:
        """Raises NotFound where the company has no such cart."""
        mine = select(Cart.id).where(Cart.company_id == self._company_id, Cart.id == cart_id)
        if self._connection.scalar(mine) is None:
            raise NotFound(f"There is no cart {cart_id}.")

    def candidates(self, now: datetime, cart_ids: Collection[str]) -> set[str]:
        """Those of some carts that a recovery mail may be sent for at this moment (D10)."""
        due = candidates(now, [self._company_id]).where(Cart.id.in_(cart_ids))
        return set(self._connection.scalars(due))

    def _rows(self, statement: Statement) -> list[Mapping[str, Any]]:
        return [dict(row) for row in self._connection.execute(statement).mappings()]


def listed(company_id: str, wanted: Filter, after: Key | None, size: int) -> Statement:
    """The statement of a page."""
    found = select(*LISTED).where(Cart.company_id == company_id)
    for column, value in (
        (Cart.status, wanted.status),
        (Cart.customer_id, wanted.customer_id),
        (Cart.site_id, wanted.site_id),
    ):
        if value is not None:
            found = found.where(column == value)
    if after is not None:
        key = (naive(after.last_activity_at), after.id)
        found = found.where(tuple_(Cart.last_activity_at, Cart.id) < tuple_(*key))
    return found.order_by(Cart.last_activity_at.desc(), Cart.id.desc()).limit(size)
