"""The carts of one company, as its admins look at them. Read-only; every statement is bound to the company (D12)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import NotFound
from cartctl.cart.store.jobs import candidates
from cartctl.cart.store.sql_engine import Statement, naive
from cartctl.cart.store.tables import CartItemRow, CartPromotionRow, CartRow, PromotionRow

PAGE = 50
LISTED = (
    *(
        CartRow.id,
        CartRow.status,
        CartRow.currency,
        CartRow.item_count,
        CartRow.grand_total,
        CartRow.customer_id,
        CartRow.site_id,
    ),
    *(CartRow.site_type, CartRow.last_activity_at, CartRow.abandoned_at, CartRow.recovery_email_sent),
)


@dataclass(frozen=True, slots=True)
class CartFilter:
    """Which carts are listed; None is no condition."""

    status: CartStatus | None = None
    customer_id: str | None = None
    site_id: str | None = None


@dataclass(frozen=True, slots=True)
class PageKey:
    """Where a page ended: the next one goes on behind this cart."""

    last_activity_at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class CartDetail:
    """A cart with everything that hangs on it; rows by column."""

    cart: Mapping[str, Any]
    items: list[Mapping[str, Any]]
    promotions: list[Mapping[str, Any]]


class Carts:
    """One company's carts, through a connection that the caller opened."""

    def __init__(self, connection: Connection, company_id: str) -> None:
        self._connection = connection
        self._company_id = company_id

    def page(
        self, wanted: CartFilter, after: PageKey | None = None, *, size: int = PAGE
    ) -> list[Mapping[str, Any]]:
        """Up to `size` carts by column, newest activity first, behind `after`."""
        return self._rows(listed(self._company_id, wanted, after, size))

    def detail(self, cart_id: str) -> CartDetail:
        """One cart with its lines in line order and the promotions applied to it. Raises NotFound."""
        mine = (CartRow.company_id == self._company_id, CartRow.id == cart_id)
        cart = self._connection.execute(select(CartRow.__table__).where(*mine)).mappings().one_or_none()
        if cart is None:
            raise NotFound(f"There is no cart {cart_id}.")
        items = select(CartItemRow.__table__).where(CartItemRow.cart_id == cart_id)
        applied = (
            select(PromotionRow.id, PromotionRow.code, PromotionRow.name, CartPromotionRow.discount_amount)
            .join(CartPromotionRow, CartPromotionRow.promotion_id == PromotionRow.id)
            .where(CartPromotionRow.cart_id == cart_id, PromotionRow.company_id == self._company_id)
        )
        return CartDetail(
            dict(cart),
            self._rows(items.order_by(CartItemRow.added_at, CartItemRow.id)),
            self._rows(applied.order_by(PromotionRow.id)),
        )

    def require(self, cart_id: str) -> None:
        """Raises NotFound where the company has no such cart."""
        mine = select(CartRow.id).where(CartRow.company_id == self._company_id, CartRow.id == cart_id)
        if self._connection.scalar(mine) is None:
            raise NotFound(f"There is no cart {cart_id}.")

    def candidates(self, now: datetime, cart_ids: Collection[str]) -> set[str]:
        """Those of some carts that a recovery mail may be sent for at this moment (D10)."""
        due = candidates(now, [self._company_id]).where(CartRow.id.in_(cart_ids))
        return set(self._connection.scalars(due))

    def _rows(self, statement: Statement) -> list[Mapping[str, Any]]:
        return [dict(row) for row in self._connection.execute(statement).mappings()]


def listed(company_id: str, wanted: CartFilter, after: PageKey | None, size: int) -> Statement:
    """The statement of a page."""
    found = select(*LISTED).where(CartRow.company_id == company_id)
    for column, value in (
        (CartRow.status, wanted.status),
        (CartRow.customer_id, wanted.customer_id),
        (CartRow.site_id, wanted.site_id),
    ):
        if value is not None:
            found = found.where(column == value)
    if after is not None:
        key = (naive(after.last_activity_at), after.id)
        found = found.where(tuple_(CartRow.last_activity_at, CartRow.id) < tuple_(*key))
    return found.order_by(CartRow.last_activity_at.desc(), CartRow.id.desc()).limit(size)
