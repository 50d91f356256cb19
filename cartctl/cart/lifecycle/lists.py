"""Wishlists, comparisons and things saved for later: sets of products, where a missing variant equals a missing variant."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from cartctl.cart.errors import ListFull, NotFound
from cartctl.cart.lifecycle.cart import SavedItem
from cartctl.cart.pricing.money import refuse_too_many

COMPARED = 4  # products that fit side by side

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Wish:
    """A product on a wishlist; a lower number means a higher priority."""

    product_id: str
    variant_id: str | None = None
    priority: int = 100
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A product in a comparison, at its position from the left."""

    product_id: str
    variant_id: str | None = None
    position: int = 0


Entry = TypeVar("Entry", bound=Wish | Compared | SavedItem)


def key(entry: Wish | Compared | SavedItem) -> Key:
    """What may be on a list only once."""
    return (entry.product_id, entry.variant_id)


def remove(entries: Iterable[Entry], product_id: str, variant_id: str | None = None) -> tuple[Entry, ...]:
    """The list without a product. Raises NotFound when it is not on it."""
    before = tuple(entries)
    after = tuple(entry for entry in before if key(entry) != (product_id, variant_id))
    if len(after) == len(before):
        raise NotFound(f"{product_id} is not on the list.")
    return after


def wish(entries: Iterable[Wish], new: Wish) -> tuple[Wish, ...]:
    """The wishlist with a product; one that is on it keeps its place and takes over the new priority and notes."""

    def again(there: Wish) -> Wish:
        return replace(there, priority=new.priority, notes=new.notes or there.notes)

    return _put(entries, new, again)


def save(entries: Iterable[SavedItem], new: SavedItem) -> tuple[SavedItem, ...]:
    """What is saved for later with one more; the same product again adds its units, at the price it was first saved at.

    Raises OutOfRange for more units than a column holds.
    """

    def again(there: SavedItem) -> SavedItem:
        quantity = there.quantity + new.quantity
        refuse_too_many(quantity)
        return replace(there, quantity=quantity)

    return _put(entries, new, again)


def compare(entries: Iterable[Compared], new: Compared, limit: int = COMPARED) -> tuple[Compared, ...]:
    """The comparison with a product at its end; one that is in it stays where it is. Raises ListFull."""
    compared = tuple(entries)
    if any(key(entry) == key(new) for entry in compared):
        return compared
    if len(compared) >= limit:
        raise ListFull(f"A comparison is limited to {limit} products.", hint="Remove one of them first.")
    last = max((entry.position for entry in compared), default=-1)
    return (*compared, replace(new, position=last + 1))


def merge_wishes(into: Iterable[Wish], more: Iterable[Wish]) -> tuple[Wish, ...]:
    """Two wishlists as one: nothing twice, and of what both have the customer's own."""
    merged: dict[Key, Wish] = {}
    for entry in (*into, *more):
        merged.setdefault(key(entry), entry)
    return tuple(merged.values())


def _put(entries: Iterable[Entry], new: Entry, again: Callable[[Entry], Entry]) -> tuple[Entry, ...]:
    """The list with an entry at its end, or with the one that is there changed."""
    before = tuple(entries)
    if all(key(entry) != key(new) for entry in before):
        return (*before, new)
    return tuple(again(entry) if key(entry) == key(new) else entry for entry in before)


def merge_comparisons(
    into: Iterable[Compared], more: Iterable[Compared], limit: int = COMPARED
) -> tuple[tuple[Compared, ...], tuple[Key, ...]]:
    """Two comparisons as one, and what no longer fitted into it."""
    merged = tuple(into)
    left_out = []
    for entry in sorted(more, key=lambda entry: entry.position):
        try:
            merged = compare(merged, entry, limit)
        except ListFull:
            left_out.append(key(entry))
    return merged, tuple(left_out)
