"""A change of a cart: lock it, change it, price it anew and write what changed, in one transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.dialects.postgresql import JSONB

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
from cartctl.cart.store.checkout.shown_discounts import changed_discounts
from cartctl.cart.store.checkout.sold_lines import gift_line
from cartctl.cart.store.checkout.stored_cart import StoredCart, load_stored
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.round_trips import Call, Statement, run
from cartctl.cart.store.tables import CartItemRow, CartRow

_REPRICE = Statement(
    text(
        """
    UPDATE cart_items AS line SET "discountAmount" = priced.discount, "lineTotal" = priced.net, "updatedAt" = :now
    FROM unnest(CAST(:ids AS text[]), CAST(:discounts AS numeric[]), CAST(:nets AS numeric[])) AS priced (id, discount, net)
    WHERE line."cartId" = :cart AND line.id = priced.id
      AND (line."discountAmount", line."lineTotal") IS DISTINCT FROM (priced.discount, priced.net)
    """
    )
)
_REMOVE_GIFTS = Statement(
    delete(CartItemRow).where(
        CartItemRow.cart_id == bindparam("cart"), CartItemRow.gift_promotion_id.is_not(None)
    )
)
_JSON = ("discountCodes",)  # columns that hold it


@dataclass(frozen=True, slots=True)
class CartView:
    """A cart with its price. `version` increases with every change; `items` include the gifts."""

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
        """What a guest presents to get the cart again; a secret."""
        return self.cart.session_token

    @property
    def agreed(self) -> AgreedTotal:
        """The total to show, and to pass to `convert` once the shopper has accepted it."""
        return self.quote.agreed


def lock(scope: Scope, cart_id: str, version: int | None = None, *, also: Sequence[Call] = ()) -> StoredCart:
    """A cart to be changed, and what is read with it.

    Raises NotFound, CartNotActive, PaymentInFlight; VersionConflict for another version.
    """
    refuse_unstorable(cartId=cart_id)
    stored = load_stored(scope.connection, scope.company_id, cart_id, also=also)
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
    writes: Sequence[Call] = (),
    columns: dict[str, Any] | None = None,
    entries: dict[str, Any] | None = None,
    removed: Sequence[str] = (),
    touched: bool = True,
) -> CartView:
    """Price a changed cart and write every amount, after `writes`, in one round trip.

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
    written = {
        "subtotal": quote.subtotal,
        "discountTotal": quote.discount_total,
        "taxTotal": quote.tax_total,
        "shippingTotal": quote.shipping_total,
        "grandTotal": quote.grand_total,
        "itemCount": quote.item_count,
        "status": cart.status.value,
        "lastActivityAt": cart.last_activity_at,
        "expiresAt": cart.expires_at,
        "recoveryEmailSent": cart.recovery_email_sent,
        "updatedAt": scope.now,
        **(columns or {}),
    }
    run(
        scope.connection,
        *writes,
        *_lines(stored, quote, scope.now),
        *changed_discounts(stored, quote),
        _cart(cart.id, written, entries or {}, tuple(removed)),
    )
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


def _lines(stored: StoredCart, quote: AcceptedQuote, now: datetime) -> list[Call]:
    own = [line for line in quote.lines if not line.gift]
    calls = []
    if own:
        amounts = {
            "ids": [line.id for line in own],
            "discounts": [line.discount for line in own],
            "nets": [line.net for line in own],
        }
        calls.append(_REPRICE(cart=stored.cart.id, now=now, **amounts))
    gifts = [line for line in quote.lines if line.gift]
    if [_gift_key(line) for line in gifts] != [_item_key(i) for i in stored.items if i.gift_promotion_id]:
        calls.append(_REMOVE_GIFTS(cart=stored.cart.id))
        calls += [gift_line(stored.cart.id, line, now) for line in gifts]
    return calls


def _cart(
    cart_id: str, written: Mapping[str, Any], entries: dict[str, Any], removed: tuple[str, ...]
) -> Call:
    values = {f"new_{name}": json.dumps(value) if name in _JSON else value for name, value in written.items()}
    if not entries and not removed:
        return _update(tuple(written), None)(cart=cart_id, **values)
    return _update(tuple(written), removed)(cart=cart_id, entries=json.dumps(entries), **values)


@lru_cache(maxsize=64)
def _update(columns: tuple[str, ...], removed: tuple[str, ...] | None) -> Statement:
    """The statement that writes some columns of a cart, and the entries of its metadata unless `removed` is None."""
    table = CartRow.__table__
    values: dict[Any, Any] = {
        table.c[name]: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns
    }
    if removed is not None:
        values[table.c.metadata] = with_entries(bindparam("entries", type_=JSONB), *removed)
    values[table.c.version] = table.c.version + 1
    return Statement(update(CartRow).where(CartRow.id == bindparam("cart")).values(values))


def _gift_key(line: AcceptedLine) -> tuple[str, str, int]:
    return (line.id.removeprefix(line_id("")), line.product_id, line.quantity)


def _item_key(item: Item) -> tuple[str, str, int]:
    return (item.gift_promotion_id or "", item.product_id, item.quantity)
