"""A cart as it is stored, with its lines and promotions, locked for a change.

Every writer locks the cart's row first, then its lines, then its applied promotions: two of them never wait for each
other in a circle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, select

from cartctl.cart.lifecycle.cart import Cart, Item
from cartctl.cart.lifecycle.payment import Payment
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.store.checkout.quote_json import payment_of
from cartctl.cart.store.loading import (
    PricingTerms,
    address_of,
    cart_of,
    item_of,
    promotion_of,
    request_of,
)
from cartctl.cart.store.tables import CartItemRow, CartPromotionRow, CartRow, PromotionRow
from cartctl.cart.tenancy import of_company


@dataclass(frozen=True, slots=True)
class StoredCart:
    """A cart with everything of it that is stored. `row` has the columns of `carts`, `shown` the last discounts."""

    cart: Cart
    row: Mapping[str, Any]
    items: tuple[Item, ...]
    promotions: tuple[Promotion, ...]
    shown: Mapping[str, Decimal]

    @property
    def payment(self) -> Payment | None:
        """The payment that was started last and has not ended; it may have timed out."""
        return payment_of(self.row["metadata"])

    @property
    def ship_to(self) -> Address | None:
        """Where it is shipped to. Raises InputError for a part of the address that is too long."""
        return address_of(self.row)

    def request(self, connection: Connection, now: datetime, terms: PricingTerms) -> PricingRequest:
        """Everything that its price depends on, of its own company alone."""
        return request_of(connection, self.row, self.items, self.promotions, now, terms)


def load_stored(connection: Connection, company_id: str, cart_id: str, *, locked: bool = True) -> StoredCart:
    """A company's cart. With `locked`, nobody else changes it, its lines or its codes until the transaction ends.

    Raises NotFound.
    """
    own = select(CartRow.__table__).where(CartRow.company_id == company_id, CartRow.id == cart_id)
    row = connection.execute(own.with_for_update() if locked else own).mappings().one_or_none()
    cart = of_company(None if row is None else cart_of(row), company_id, f"cart {cart_id}")
    lines = select(CartItemRow.__table__).where(CartItemRow.cart_id == cart_id)
    lines = lines.order_by(CartItemRow.added_at, CartItemRow.id)
    applied = (
        select(PromotionRow.__table__, CartPromotionRow.discount_amount.label("shown"))
        .join(CartPromotionRow, CartPromotionRow.promotion_id == PromotionRow.id)
        .where(CartPromotionRow.cart_id == cart_id, PromotionRow.company_id == company_id)
        .order_by(PromotionRow.id)
    )
    if locked:
        lines, applied = lines.with_for_update(), applied.with_for_update(of=CartPromotionRow)
    items = tuple(item_of(line) for line in connection.execute(lines).mappings())
    codes = connection.execute(applied).mappings().all()
    return StoredCart(
        cart,
        dict(row or {}),
        items,
        tuple(promotion_of(code) for code in codes),
        {code["id"]: code["shown"] for code in codes},
    )
