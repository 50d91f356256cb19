"""A cart as it is stored, with its lines and promotions, locked for a change.

Every writer locks the cart's row first, then its lines, then its applied promotions: two of them never wait for each
other in a circle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, bindparam, select

from cartctl.cart.lifecycle.cart import Cart, Item
from cartctl.cart.lifecycle.payment import Payment
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.store.checkout.quote_json import payment_of
from cartctl.cart.store.loading import (
    CompanyOffers,
    PricingTerms,
    address_of,
    cart_of,
    item_of,
    offers_of,
    promotion_of,
    request_of,
)
from cartctl.cart.store.round_trips import Call, Rows, Statement, run
from cartctl.cart.store.tables import CartItemRow, CartPromotionRow, CartRow, PromotionRow
from cartctl.cart.tenancy import of_company

_CART = select(CartRow.__table__).where(
    CartRow.company_id == bindparam("company"), CartRow.id == bindparam("cart")
)
_LINES = (
    select(CartItemRow.__table__)
    .where(CartItemRow.cart_id == bindparam("cart"))
    .order_by(CartItemRow.added_at, CartItemRow.id)
)
_CODES = (
    select(PromotionRow.__table__, CartPromotionRow.discount_amount.label("shown"))
    .join(CartPromotionRow, CartPromotionRow.promotion_id == PromotionRow.id)
    .where(CartPromotionRow.cart_id == bindparam("cart"), PromotionRow.company_id == bindparam("company"))
    .order_by(PromotionRow.id)
)
_READ = tuple(Statement(each) for each in (_CART, _LINES, _CODES))
_LOCK = (
    Statement(_CART.with_for_update()),
    Statement(_LINES.with_for_update()),
    Statement(_CODES.with_for_update(of=CartPromotionRow)),
)


@dataclass(frozen=True, slots=True)
class StoredCart:
    """A cart with everything of it that is stored.

    `row` has the columns of `carts`, `shown` the last discounts, `also` the rows of what else was read with it.
    """

    cart: Cart
    row: Mapping[str, Any]
    items: tuple[Item, ...]
    promotions: tuple[Promotion, ...]
    shown: Mapping[str, Decimal]
    offers: CompanyOffers
    also: Sequence[Rows] = ()

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
        return request_of(connection, self.row, self.items, self.promotions, self.offers, now, terms)


def load_stored(
    connection: Connection, company_id: str, cart_id: str, *, locked: bool = True, also: Sequence[Call] = ()
) -> StoredCart:
    """A company's cart. With `locked`, nobody else changes it, its lines or its codes until the transaction ends.

    Everything is read in one round trip, each statement after the lock of the one before: the lines are those that were
    committed while the cart's row was waited for. `also` is read last. Raises NotFound.
    """
    ids = {"company": company_id, "cart": cart_id}
    own = [statement(**ids) for statement in (_LOCK if locked else _READ)]
    rows, lines, codes, rates, zones, rules, *more = run(connection, *own, *offers_of(company_id), *also)
    row = rows[0] if rows else {}
    return StoredCart(
        of_company(cart_of(row) if row else None, company_id, f"cart {cart_id}"),
        row,
        tuple(map(item_of, lines)),
        tuple(map(promotion_of, codes)),
        {code["id"]: code["shown"] for code in codes},
        CompanyOffers(rates, zones, rules),
        more,
    )
