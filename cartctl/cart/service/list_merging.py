"""A guest logs in: their wishlist and comparison become the customer's, or go into the ones that are there (D9)."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select, update

from cartctl.cart.lifecycle.lists import Compared, Key, key, merge_comparisons, merge_wishes
from cartctl.cart.service.lists import ListOwner, compared_in, count_wishes, list_of, wishes_in
from cartctl.cart.service.opening import lock_customer
from cartctl.cart.service.scope import Scope
from cartctl.cart.store.tables import (
    ProductComparisonItemRow,
    ProductComparisonRow,
    WishlistItemRow,
    WishlistRow,
)


def merge_lists(scope: Scope, session_token: str, customer_id: str) -> tuple[str, ...]:
    """Merge the lists of a guest's token into the customer's. Again it changes nothing: the token has no lists then.

    Gives a warning for each product that the customer's comparison has no place for. Raises NotFound for a customer of
    another company.
    """
    owner = ListOwner(customer_id=customer_id)
    scope.refuse_foreign("customers", customer_id)
    lock_customer(scope, customer_id)
    lock_customer(scope, f"token:{session_token}")
    if (guest := _guests(scope, WishlistRow, session_token)) is not None:
        mine = list_of(scope, WishlistRow, owner)
        _adopt(scope, WishlistRow, guest, customer_id) if mine is None else _merge_wishes(scope, guest, mine)
    if (guest := _guests(scope, ProductComparisonRow, session_token)) is None:
        return ()
    mine = list_of(scope, ProductComparisonRow, owner)
    if mine is None:
        _adopt(scope, ProductComparisonRow, guest, customer_id)
        return ()
    return _merge_compared(scope, guest, mine)


def _guests(scope: Scope, table: Any, session_token: str) -> str | None:
    """The id of a guest's list, its row locked; a list that has a customer already is not a guest's."""
    own = (
        table.company_id == scope.company_id,
        table.session_token == session_token,
        table.customer_id.is_(None),
    )
    list_id = scope.connection.scalar(select(table.id).where(*own).with_for_update())
    return None if list_id is None else str(list_id)


def _adopt(scope: Scope, table: Any, guest: str, customer_id: str) -> None:
    change = update(table).where(table.id == guest)
    scope.connection.execute(change.values(customer_id=customer_id, session_token=None, updated_at=scope.now))


def _merge_wishes(scope: Scope, guest: str, mine: str) -> None:
    """Move what the customer does not have; the guest's list is gone then."""
    ours = wishes_in(scope, mine)
    for entry in merge_wishes(ours, wishes_in(scope, guest))[len(ours) :]:
        own = WishlistItemRow.wishlist_id == guest
        _move(scope, WishlistItemRow, own, key(entry), wishlist_id=mine)
    scope.connection.execute(delete(WishlistItemRow).where(WishlistItemRow.wishlist_id == guest))
    scope.connection.execute(delete(WishlistRow).where(WishlistRow.id == guest))
    count_wishes(scope, mine)


def _merge_compared(scope: Scope, guest: str, mine: str) -> tuple[str, ...]:
    """Move what the customer's comparison has a place for; the rest stays with the guest's, which has ended."""
    ours = compared_in(scope, mine)
    merged, left_out = merge_comparisons(ours, compared_in(scope, guest))
    _move_compared(scope, guest, mine, merged[len(ours) :])
    ended = {"merged_into_comparison_id": mine, "merged_at": scope.now, "session_token": None}
    change = update(ProductComparisonRow).where(ProductComparisonRow.id == guest)
    scope.connection.execute(change.values(**ended, updated_at=scope.now))
    return tuple(f"{product}: the comparison is full" for product, _ in left_out)


def _move_compared(scope: Scope, guest: str, mine: str, entries: Iterable[Compared]) -> None:
    own = ProductComparisonItemRow.comparison_id == guest
    for entry in entries:
        changed = {"comparison_id": mine, "position": entry.position}
        _move(scope, ProductComparisonItemRow, own, key(entry), **changed)


def _move(scope: Scope, table: Any, own: Any, entry: Key, **changed: Any) -> None:
    """Move one row of an entry: where variants are NULL, a plain unique index allows several."""
    product, variant = entry
    same = (own, table.product_id == product, table.variant_id.is_not_distinct_from(variant))
    first = select(table.id).where(*same).order_by(table.added_at, table.id).limit(1).scalar_subquery()
    change = update(table).where(table.id == first)
    scope.connection.execute(change.values(**changed, updated_at=scope.now))
