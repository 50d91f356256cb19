"""The carts of one company, as its admins look at them. Read-only; every statement is bound to the company (D12)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, or_, select, tuple_

from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.errors import NotFound
from cartctl.cart.store.jobs import candidates
from cartctl.cart.store.sql_engine import Statement, naive
from cartctl.cart.store.tables import CartItemRow, CartPromotionRow, CartRow, PromotionRow

PAGE = 50
HIGHEST_OF = 10_000  # carts that are sorted by their total, of those that a filter leaves
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
    *(CartRow.recovery_email_sent_at, CartRow.recovery_clicks, CartRow.converted_at),
)


class CartOrder(StrEnum):
    """How a list of carts is sorted. No index serves `HIGHEST`, so it sorts the HIGHEST_OF carts with the latest activity."""

    NEWEST = "newest"  # activity first
    OLDEST = "oldest"  # activity first
    HIGHEST = "highest"  # total first


@dataclass(frozen=True, slots=True)
class CartFilter:
    """A filter for carts; None means no condition. `reference` is the ID of a cart or of its order.

    `was_abandoned`: only carts that were abandoned at some time, whatever became of them.
    """

    status: CartStatus | None = None
    customer_id: str | None = None
    site_id: str | None = None
    currency: str | None = None
    site_type: SiteType | None = None
    reference: str | None = None
    was_abandoned: bool = False

    def referring_to(self, reference: str) -> "CartFilter":
        """The same, of one cart or order."""
        return changed(self, reference=reference)

    def of_customer(self, customer_id: str) -> "CartFilter":
        """The same, of one customer."""
        return changed(self, customer_id=customer_id)


@dataclass(frozen=True, slots=True)
class PageKey:
    """The end of a page: the next page starts after this cart. When sorted by total, `grand_total` is required as well."""

    last_activity_at: datetime
    id: str
    grand_total: Decimal = Decimal(0)

    @property
    def is_storable(self) -> bool:
        """Whether a cart can have these values: a key that was made up may not."""
        return bool(self.id) and "\0" not in self.id and self.grand_total.is_finite()


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
        self,
        chosen: CartFilter,
        after: PageKey | None = None,
        *,
        size: int = PAGE,
        order: CartOrder = CartOrder.NEWEST,
    ) -> list[Mapping[str, Any]]:
        """Up to `size` carts by column, in `order`, behind `after`."""
        return self._rows(listed(self._company_id, chosen, after, size, order))

    def detail(self, cart_id: str) -> CartDetail:
        """One cart with its lines in line order and the promotions applied to it. Raises NotFound."""
        mine = (CartRow.company_id == self._company_id, CartRow.id == cart_id)
        cart = self._connection.execute(select(CartRow.__table__).where(*mine)).mappings().one_or_none()
        if cart is None:
            raise NotFound(f"Cart {cart_id} not found.")
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
            raise NotFound(f"Cart {cart_id} not found.")

    def candidates(self, now: datetime, cart_ids: Collection[str]) -> set[str]:
        """Those of some carts that a recovery mail may be sent for at this moment (D10)."""
        due = candidates(now, [self._company_id]).where(CartRow.id.in_(cart_ids))
        return set(self._connection.scalars(due))

    def _rows(self, statement: Statement) -> list[Mapping[str, Any]]:
        return [dict(row) for row in self._connection.execute(statement).mappings()]


def listed(
    company_id: str,
    chosen: CartFilter,
    after: PageKey | None,
    size: int,
    order: CartOrder = CartOrder.NEWEST,
) -> Statement:
    """The statement of a page."""
    statement = select(*LISTED).where(CartRow.company_id == company_id)
    for column, value in (
        (CartRow.status, chosen.status),
        (CartRow.customer_id, chosen.customer_id),
        (CartRow.site_id, chosen.site_id),
        (CartRow.currency, chosen.currency),
        (CartRow.site_type, chosen.site_type),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if chosen.reference is not None:
        statement = statement.where(or_(CartRow.id == chosen.reference, CartRow.order_id == chosen.reference))
    if chosen.was_abandoned:
        statement = statement.where(CartRow.abandoned_at.is_not(None))
    if order is CartOrder.HIGHEST:
        return _highest(statement, after).limit(size)
    by, rising = CartRow.last_activity_at, order is CartOrder.OLDEST
    behind = after and (naive(after.last_activity_at), after.id)
    return _sorted(statement, by, CartRow.id, behind, rising=rising).limit(size)


def _highest(statement: Statement, after: PageKey | None) -> Statement:
    """By total: of the carts with the latest activity, which an index returns in order."""
    ordered = statement.order_by(CartRow.last_activity_at.desc(), CartRow.id.desc())
    latest = ordered.limit(HIGHEST_OF).subquery()
    behind = after and (after.grand_total, after.id)
    return _sorted(select(latest), latest.c.grand_total, latest.c.id, behind)


def _sorted(statement: Statement, by: Any, tie: Any, behind: Any, *, rising: bool = False) -> Statement:
    """Sorted by a column and, among equal values, by `tie`; after the values `behind`, if any."""
    if behind:
        here, key = tuple_(by, tie), tuple_(*behind)
        statement = statement.where(here > key if rising else here < key)
    return statement.order_by(*(each.asc() if rising else each.desc() for each in (by, tie)))
