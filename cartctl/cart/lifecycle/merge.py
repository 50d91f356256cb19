"""A guest's cart becomes the customer's, or goes into the one that is there already (D9)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import CurrencyMismatch, MergeRefused, NotFound
from cartctl.cart.lifecycle.cart import Cart, Item, SavedItem
from cartctl.cart.lifecycle.states import refuse_ended, touch
from cartctl.cart.pricing.money import refuse_too_many
from cartctl.cart.pricing.promotions.codes import canonical_code, is_code
from cartctl.cart.tenancy import of_company

LineKey = tuple[str, str | None, str, bool, str | None]


class Quantities(StrEnum):
    """How to combine the quantities of a line that is in both carts."""

    SUM = "SUM"
    MAX = "MAX"
    KEEP = "KEEP"


@dataclass(frozen=True, slots=True)
class Merged:
    """Both carts after a merge, to be repriced. `source` is None if the guest's cart was adopted."""

    target: Cart
    source: Cart | None
    warnings: tuple[str, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class MergeClaim:
    """The request for a merge: the customer, and the token that proves that the guest's cart is theirs."""

    company_id: str
    customer_id: str
    session_token: str


def line_key(item: Item) -> LineKey:
    """What makes two lines the same line; NULL variants equal each other, custom fields whatever their order."""
    fields = json.dumps(item.custom_fields, sort_keys=True, separators=(",", ":"), default=str)
    return (item.product_id, item.variant_id, fields, item.is_gift, item.gift_message)


def merge(
    source: Cart,
    target: Cart | None,
    claim: MergeClaim,
    now: datetime,
    *,
    new_token: str,
    stock: Mapping[str, int] | None = None,
    quantities: Quantities = Quantities.SUM,
) -> Merged:
    """Merge a guest's cart into the customer's, or adopt it if the customer has none. The caller locks both rows in ID order.

    An adopted cart gets `new_token`, a fresh random one, so that the guest's token gives no access any more.
    `stock` has units by product id. Gifts of promotions are dropped: pricing recreates them. Raises NotFound for a
    cart of another company, CurrencyMismatch, CartNotActive, MergeRefused, or OutOfRange for more units than a column
    holds; nothing is changed then. A replay is not an error. Raises ValueError for a new token that is empty or the old one.
    """
    if target is not None and _was_merged(source, target, claim):
        return Merged(target, source, replayed=True)
    if target is None and source.customer_id == claim.customer_id and source.company_id == claim.company_id:
        return Merged(source, None, replayed=True)
    _refuse(source, target, claim)
    if target is None:
        return Merged(_adopted(source, claim, new_token, now), None)
    items, warnings = _clamped(_together(target.items, source.items, quantities), stock or {})
    refuse_too_many(sum(item.quantity for item in items))
    codes, invalid = _codes((*target.discount_codes, *source.discount_codes))
    changed = replace(
        touch(target, now),
        items=items,
        item_count=sum(item.quantity for item in items),
        saved=_saved(target.saved, source.saved),
        discount_codes=codes,
    )
    closed = replace(
        source, status=CartStatus.MERGED, session_token=None, merged_into_cart_id=target.id, merged_at=now
    )
    return Merged(changed, closed, warnings + invalid)


def _adopted(source: Cart, claim: MergeClaim, new_token: str, now: datetime) -> Cart:
    if not new_token or new_token == source.session_token:
        raise ValueError("an adopted cart requires a new session token")
    return touch(replace(source, customer_id=claim.customer_id, session_token=new_token), now)


def _was_merged(source: Cart, target: Cart, claim: MergeClaim) -> bool:
    """A replay finds no token any more; that the target is the customer's own is what stands for it."""
    into = source.status is CartStatus.MERGED and source.merged_into_cart_id == target.id
    return into and target.company_id == claim.company_id and target.customer_id == claim.customer_id


def _refuse(source: Cart, target: Cart | None, claim: MergeClaim) -> None:
    for cart in (source, target):
        if cart is not None:
            of_company(cart, claim.company_id, f"cart {cart.id}")
    if source.session_token is None or source.session_token != claim.session_token:
        refuse_ended(source)
        raise MergeRefused(f"The given token is not that of cart {source.id}.")
    if source.customer_id is not None:
        raise MergeRefused(f"Cart {source.id} already has a customer.")
    for cart in (source, target):
        if cart is not None:
            refuse_ended(cart)
            if cart.status is not CartStatus.ACTIVE:
                raise MergeRefused(f"Cart {cart.id} is {cart.status.value}, not ACTIVE.")
    if target is not None:
        _refuse_pair(source, target, claim)


def _refuse_pair(source: Cart, target: Cart, claim: MergeClaim) -> None:
    if source.id == target.id:
        raise MergeRefused(f"Cart {source.id} cannot be merged into itself.")
    if target.customer_id != claim.customer_id:
        raise NotFound(f"Cart {target.id} not found.")
    if source.currency != target.currency:
        raise CurrencyMismatch(f"Cart {source.id} is in {source.currency}, {target.id} in {target.currency}.")


def _together(into: Iterable[Item], more: Iterable[Item], quantities: Quantities) -> list[Item]:
    merged = _by_key(into)
    for key, item in _by_key(more).items():
        there = merged.get(key)
        merged[key] = item if there is None else replace(there, quantity=_both(there, item, quantities))
    return sorted(merged.values(), key=lambda item: (item.added_at, item.id))


def _by_key(items: Iterable[Item]) -> dict[LineKey, Item]:
    """One cart's own lines; where it has one twice, nothing in the tables being against it, the units are added up."""
    lines: dict[LineKey, Item] = {}
    for item in items:
        if item.gift_promotion_id is None:
            there = lines.setdefault(line_key(item), item)
            if there is not item:
                lines[line_key(item)] = replace(there, quantity=there.quantity + item.quantity)
    return lines


def _both(there: Item, item: Item, quantities: Quantities) -> int:
    match quantities:
        case Quantities.SUM:
            return there.quantity + item.quantity
        case Quantities.MAX:
            return max(there.quantity, item.quantity)
        case Quantities.KEEP:
            return there.quantity


def _clamped(items: Iterable[Item], stock: Mapping[str, int]) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """The lines with no more units of a product than there are, earlier lines first; one without a unit is dropped."""
    left = dict(stock)
    clamped, warnings = [], []
    for item in items:
        units = min(item.quantity, left.get(item.product_id, item.quantity))
        if item.product_id in left:
            left[item.product_id] -= units
        if units < item.quantity:
            warnings.append(f"{item.product_id}: {item.quantity} units requested, {units} in stock")
        if units > 0:
            clamped.append(replace(item, quantity=units))
    return tuple(clamped), tuple(warnings)


def _saved(into: Iterable[SavedItem], more: Iterable[SavedItem]) -> tuple[SavedItem, ...]:
    merged: dict[tuple[str, str | None], SavedItem] = {}
    for item in (*into, *more):
        key = (item.product_id, item.variant_id)
        there = merged.setdefault(key, item)
        merged[key] = replace(there, quantity=max(there.quantity, item.quantity))
    return tuple(merged.values())


def _codes(codes: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The codes of both carts, each once, and warnings for those that are none; pricing decides which of them count."""
    known = list(codes)
    canonical = dict.fromkeys(canonical_code(code) for code in known if is_code(code))
    return tuple(canonical), tuple(f"{code!a} is not a promotion code" for code in known if not is_code(code))
