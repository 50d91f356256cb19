"""Adding, changing and removing lines. The same product in the same variant, with the same extras, is one line."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, delete, insert, update

from cartctl.cart.errors import InputError, KeyReused, NotFound, OutOfRange
from cartctl.cart.lifecycle.cart import Item, refuse_change
from cartctl.cart.lifecycle.merge import line_key
from cartctl.cart.pricing.money import LARGEST, MOST_UNITS, currency, refuse_too_many
from cartctl.cart.service.changes import CartView, finish, lock
from cartctl.cart.service.scope import Scope, new_id, refuse_missing, storable_json
from cartctl.cart.store.checkout.stored_cart import StoredCart
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.json_columns import snapshot
from cartctl.cart.store.round_trips import Call, Statement
from cartctl.cart.store.tables import CartItemRow

KEYS = 50  # idempotency keys that a cart remembers, the latest
LONGEST_KEY = 200  # characters

_TABLE = CartItemRow.__table__
_INSERT = Statement(
    insert(CartItemRow).values(
        {
            _TABLE.c[name]: bindparam(name)
            for name in (
                *("id", "cartId", "productId", "variantId", "productSnapshot", "quantity", "unitPrice"),
                *(
                    "originalPrice",
                    "lineTotal",
                    "customFields",
                    "giftMessage",
                    "isGift",
                    "addedAt",
                    "updatedAt",
                ),
            )
        }
    )
)
_CHANGE = Statement(
    update(CartItemRow)
    .where(CartItemRow.id == bindparam("line"))
    .values(quantity=bindparam("units"), unit_price=bindparam("price"), updated_at=bindparam("now"))
)
_DELETE = Statement(delete(CartItemRow).where(CartItemRow.id == bindparam("id")))


@dataclass(frozen=True, slots=True)
class NewLine:
    """A product to be added. `unit_price` comes from the shop, never from the browser.

    `snapshot` has what prices and pages need of the product: name, category, weight, weightUnit, requiresShipping.
    `is_gift` asks for gift wrap.
    """

    product_id: str
    unit_price: Decimal
    quantity: int = 1
    variant_id: str | None = None
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    original_price: Decimal | None = None
    custom_fields: Mapping[str, Any] = field(default_factory=dict)
    gift_message: str | None = None
    is_gift: bool = False


def add_line(scope: Scope, cart_id: str, new: NewLine, key: str | None, version: int | None) -> CartView:
    """Add a line, or its units to the line that is there. With a key that was used before nothing is added again."""
    refuse_invalid(new)
    stored = lock(scope, cart_id, version, also=(scope.own("products", new.product_id),))
    _refuse_price(stored, new)
    used = _keys(stored)
    digest = fingerprint(new)
    if key is not None and (before := used.get(_checked(key))) is not None:
        if before != digest:
            raise KeyReused(
                f"The key {key!a} was used for another line.", hint="Use a new key for each request."
            )
        return finish(scope, stored, touched=False)
    refuse_missing("products", new.product_id, stored.also[0])
    changed, write = with_line(scope, stored, new)
    remembered = {**used, key: digest} if key is not None else used
    entries = {"requests": [[*pair] for pair in remembered.items()][-KEYS:]} if key is not None else None
    return finish(scope, changed, writes=(write,), entries=entries)


def with_line(scope: Scope, stored: StoredCart, new: NewLine) -> tuple[StoredCart, Call]:
    """The cart with a line more, or more units of one, and the statement that writes it."""
    item = _item(scope, new)
    for there in stored.items:
        if there.gift_promotion_id is None and line_key(there) == line_key(item):
            units = there.quantity + new.quantity
            refuse_too_many(units)
            changed = replace(there, quantity=units, unit_price=new.unit_price)
            items = tuple(changed if each is there else each for each in stored.items)
            return replace(stored, items=items), _update(scope, changed)
    return replace(stored, items=(*stored.items, item)), _INSERT(**_columns(scope, stored, item, new))


def change_quantity(scope: Scope, cart_id: str, line_id: str, quantity: int, version: int | None) -> CartView:
    """Set the units of a line; 0 removes it."""
    if quantity == 0:
        return remove_line(scope, cart_id, line_id, version)
    _refuse_quantity(quantity)
    stored = lock(scope, cart_id, version)
    item = line_of(stored, line_id)
    changed = replace(item, quantity=quantity)
    items = tuple(changed if each is item else each for each in stored.items)
    return finish(scope, replace(stored, items=items), writes=(_update(scope, changed),))


def remove_line(scope: Scope, cart_id: str, line_id: str, version: int | None) -> CartView:
    """Remove a line."""
    stored = lock(scope, cart_id, version)
    changed, write = without_line(stored, line_of(stored, line_id))
    return finish(scope, changed, writes=(write,))


def without_line(stored: StoredCart, item: Item) -> tuple[StoredCart, Call]:
    """The cart without a line, and the statement that removes it."""
    return replace(stored, items=tuple(each for each in stored.items if each is not item)), _DELETE(
        id=item.id
    )


def line_of(stored: StoredCart, line_id: str) -> Item:
    """One of the cart's own lines. Raises NotFound, and GiftFixed for a gift."""
    for item in stored.items:
        if item.id == line_id:
            refuse_change(item)
            return item
    raise NotFound(f"Line {line_id} not found in cart {stored.cart.id}.")


def refuse_invalid(new: NewLine) -> None:
    """Raises InputError or OutOfRange for a line that cannot be stored."""
    texts = {"productId": new.product_id, "variantId": new.variant_id, "giftMessage": new.gift_message}
    refuse_unstorable(**{name: value for name, value in texts.items() if value is not None})
    storable_json("snapshot", new.snapshot)
    storable_json("customFields", new.custom_fields)
    _refuse_quantity(new.quantity)
    for name, amount in (("unitPrice", new.unit_price), ("originalPrice", new.original_price)):
        if amount is not None and not (amount.is_finite() and 0 <= amount <= LARGEST):
            raise OutOfRange(name, f"{amount} is not between 0 and {LARGEST}")


def fingerprint(new: NewLine) -> str:
    """What a key was used for."""
    fields = [
        new.product_id,
        f"{new.unit_price.normalize():f}",
        new.quantity,
        new.variant_id,
        new.gift_message,
        new.is_gift,
    ]
    written = json.dumps([*fields, dict(new.custom_fields)], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:32]


def _refuse_price(stored: StoredCart, new: NewLine) -> None:
    money = currency(stored.cart.currency)
    if not money.holds(new.unit_price):
        raise InputError("unitPrice", f"{new.unit_price} has more decimals than {money.code}")


def _refuse_quantity(quantity: int) -> None:
    if not 1 <= quantity <= MOST_UNITS:
        raise OutOfRange("quantity", f"{quantity} is not between 1 and {MOST_UNITS}")


def _checked(key: str) -> str:
    if not key or len(key) > LONGEST_KEY:
        raise InputError("key", f"must have 1 to {LONGEST_KEY} characters")
    refuse_unstorable(key=key)
    return key


def _keys(stored: StoredCart) -> dict[str, str]:
    metadata = stored.row["metadata"]
    requests = metadata.get("requests") if isinstance(metadata, dict) else None
    pairs = requests if isinstance(requests, list) else []
    return {str(pair[0]): str(pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2}  # noqa: PLR2004


def _item(scope: Scope, new: NewLine) -> Item:
    product = snapshot(new.snapshot)
    return Item(
        id=new_id(),
        product_id=new.product_id,
        quantity=new.quantity,
        unit_price=new.unit_price,
        added_at=scope.now,
        variant_id=new.variant_id,
        custom_fields=dict(new.custom_fields),
        gift_message=new.gift_message,
        is_gift=new.is_gift,
        category=product.category,
        weight=product.weight,
        weight_unit=product.weight_unit,
        shipped=product.shipped,
    )


def _columns(scope: Scope, stored: StoredCart, item: Item, new: NewLine) -> dict[str, Any]:
    return {
        "id": item.id,
        "cartId": stored.cart.id,
        "productId": item.product_id,
        "variantId": item.variant_id,
        "productSnapshot": json.dumps(dict(new.snapshot)),
        "quantity": item.quantity,
        "unitPrice": item.unit_price,
        "originalPrice": item.unit_price if new.original_price is None else new.original_price,
        "lineTotal": Decimal(0),
        "customFields": json.dumps(item.custom_fields),
        "giftMessage": item.gift_message,
        "isGift": item.is_gift,
        "addedAt": scope.now,
        "updatedAt": scope.now,
    }


def _update(scope: Scope, item: Item) -> Call:
    return _CHANGE(line=item.id, units=item.quantity, price=item.unit_price, now=scope.now)
