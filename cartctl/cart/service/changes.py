"""A change of a cart: lock it, change it, price it anew and write what changed, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, text, update

from cartctl.cart.errors import VersionConflict
from cartctl.cart.lifecycle import states
from cartctl.cart.lifecycle.cart import Cart, Item
from cartctl.cart.lifecycle.payment import (
    AcceptedLine,
    AcceptedQuote,
    AgreedTotal,
    accepted_quote,
    refuse_while_paying,
)
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.pricing_result import PricingResult
from cartctl.cart.pricing.promotions.gifts import line_id
from cartctl.cart.service.scope import Scope
from cartctl.cart.store.checkout.metadata import with_entries
from cartctl.cart.store.checkout.sold_lines import gift_columns
from cartctl.cart.store.checkout.stored_cart import StoredCart, load_stored
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.tables import CartItemRow, CartPromotionRow, CartRow

_REPRICE = text(
    """
    UPDATE cart_items AS line SET "discountAmount" = priced.discount, "lineTotal" = priced.net, "updatedAt" = :now
    FROM unnest(CAST(:ids AS text[]), CAST(:discounts AS numeric[]), CAST(:nets AS numeric[])) AS priced (id, discount, net)
    WHERE line."cartId" = :cart AND line.id = priced.id
      AND (line."discountAmount", line."lineTotal") IS DISTINCT FROM (priced.discount, priced.net)
    """
)


@dataclass(frozen=True, slots=True)
class CartView:
    """A cart with its price. `version` rises with every change; `items` have the gifts of the price as well."""

    cart: Cart
    version: int
    priced: PricingResult
    quote: AcceptedQuote

    @property
    def id(self) -> str:
        """The cart's id."""
        return self.cart.id

    @property
    def items(self) -> tuple[Item, ...]:
        """The shopper's own lines, in line order."""
        return self.cart.items

    @property
    def session_token(self) -> str | None:
        """What a guest shows to get the cart again; a secret."""
        return self.cart.session_token

    @property
    def agreed(self) -> AgreedTotal:
        """The total to show, and to pass to `convert` when the shopper has accepted it."""
        return self.quote.agreed


def lock(scope: Scope, cart_id: str, version: int | None = None) -> StoredCart:
    """A cart to be changed. Raises NotFound, CartNotActive, PaymentInFlight; VersionConflict for another version."""
    refuse_unstorable(cartId=cart_id)
    stored = load_stored(scope.connection, scope.company_id, cart_id)
    states.refuse_ended(stored.cart)
    refuse_while_paying(stored.payment, scope.now, cart_id)
    current = stored.row["version"]
    if version is not None and version != current:
        raise VersionConflict(
            f"Cart {cart_id} has version {current}, not {version}.", hint="Read the cart again."
        )
    return stored


def finish(
    scope: Scope,
    stored: StoredCart,
    *,
    columns: dict[str, Any] | None = None,
    entries: dict[str, Any] | None = None,
    removed: Sequence[str] = (),
    touched: bool = True,
) -> CartView:
    """Price a changed cart and write every amount.

    `stored` has its lines and promotions as changed; `columns` of the cart and `entries` of its metadata are written as
    well. With `touched` it is a shopper's change, which keeps the cart alive.
    """
    row = {**stored.row, **(columns or {})}
    row["metadata"] = _changed(row["metadata"], entries or {}, removed)
    stored = replace(stored, row=row)
    request = stored.request(scope.connection, scope.now, scope.terms)
    priced = price(request)
    quote = accepted_quote(request, priced)
    cart = states.touch(stored.cart, scope.now, scope.lifetime) if touched else stored.cart
    _write_lines(scope.connection, stored, quote, scope.now)
    _write_discounts(scope.connection, stored, quote)
    written: dict[Any, Any] = {
        CartRow.subtotal: quote.subtotal,
        CartRow.discount_total: quote.discount_total,
        CartRow.tax_total: quote.tax_total,
        CartRow.shipping_total: quote.shipping_total,
        CartRow.grand_total: quote.grand_total,
        CartRow.item_count: quote.item_count,
        CartRow.status: cart.status,
        CartRow.last_activity_at: cart.last_activity_at,
        CartRow.expires_at: cart.expires_at,
        CartRow.recovery_email_sent: cart.recovery_email_sent,
        CartRow.version: CartRow.version + 1,
        CartRow.updated_at: scope.now,
        **{CartRow.__table__.c[name]: value for name, value in (columns or {}).items()},
    }
    if entries or removed:
        written[CartRow.metadata_] = with_entries(entries or {}, *removed)
    scope.connection.execute(update(CartRow).where(CartRow.id == cart.id).values(written))
    return view(replace(stored, cart=cart), priced, quote, row["version"] + 1)


def view(stored: StoredCart, priced: PricingResult, quote: AcceptedQuote, version: int) -> CartView:
    """A cart as callers see it."""
    own = tuple(item for item in stored.items if item.gift_promotion_id is None)
    totals = replace(stored.cart, items=own, grand_total=quote.grand_total, item_count=quote.item_count)
    return CartView(totals, version, priced, quote)


def _changed(metadata: Any, entries: dict[str, Any], removed: Sequence[str]) -> Any:
    if not entries and not removed:
        return metadata
    known = metadata if isinstance(metadata, dict) else {"previous": metadata}
    return {**{key: value for key, value in known.items() if key not in removed}, **entries}


def _write_lines(connection: Connection, stored: StoredCart, quote: AcceptedQuote, now: datetime) -> None:
    own = [line for line in quote.lines if not line.gift]
    if own:
        amounts = {
            "ids": [line.id for line in own],
            "discounts": [line.discount for line in own],
            "nets": [line.net for line in own],
        }
        connection.execute(_REPRICE, {"cart": stored.cart.id, "now": now, **amounts})
    gifts = [line for line in quote.lines if line.gift]
    if [_gift_key(line) for line in gifts] != [_item_key(i) for i in stored.items if i.gift_promotion_id]:
        mine = CartItemRow.cart_id == stored.cart.id
        connection.execute(delete(CartItemRow).where(mine, CartItemRow.gift_promotion_id.is_not(None)))
        for line in gifts:
            connection.execute(
                insert(CartItemRow).values(**gift_columns(stored.cart.id, line), updated_at=now)
            )


def _gift_key(line: AcceptedLine) -> tuple[str, str, int]:
    return (line.id.removeprefix(line_id("")), line.product_id, line.quantity)


def _item_key(item: Item) -> tuple[str, str, int]:
    return (item.gift_promotion_id or "", item.product_id, item.quantity)


def _write_discounts(connection: Connection, stored: StoredCart, quote: AcceptedQuote) -> None:
    """What each code gives now: what was shown is what conversion compares with."""
    mine = CartPromotionRow.cart_id == stored.cart.id
    for given in quote.discounts:
        if given.amount != stored.shown.get(given.promotion_id):
            change = update(CartPromotionRow).where(mine, CartPromotionRow.promotion_id == given.promotion_id)
            connection.execute(change.values(discount_amount=given.amount))
