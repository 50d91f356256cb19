"""Wishlists and comparisons of a customer or a guest's token: one of each, with nothing on it twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import postgresql

from cartctl.cart.errors import InputError
from cartctl.cart.lifecycle.lists import Compared, Wish, compare, remove, wish
from cartctl.cart.service.opening import lock_customer
from cartctl.cart.service.scope import Scope, new_id, storable_json
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.tables import (
    ProductComparisonItemRow,
    ProductComparisonRow,
    WishlistItemRow,
    WishlistRow,
)


@dataclass(frozen=True, slots=True)
class ListOwner:
    """The owner of a list: a customer, or the guest with this token; exactly one of the two."""

    customer_id: str | None = None
    session_token: str | None = None

    def __post_init__(self) -> None:
        if (self.customer_id is None) == (self.session_token is None):
            raise InputError("owner", "use either a customer or a session token")


def wishes(scope: Scope, owner: ListOwner) -> tuple[Wish, ...]:
    """The products on the wishlist, most wanted first."""
    parent = _known(scope, WishlistRow, owner)
    return () if parent is None else wishes_in(scope, parent)


def add_wish(scope: Scope, owner: ListOwner, new: Wish, snapshot: Mapping[str, Any]) -> tuple[Wish, ...]:
    """Put a product on the wishlist; one that is on it takes over the new priority and notes."""
    details = storable_json("snapshot", snapshot)
    refuse_unstorable(productId=new.product_id, variantId=new.variant_id or "", notes=new.notes or "")
    scope.refuse_foreign("products", new.product_id)
    parent = _made(scope, WishlistRow, owner)
    entries = wish(wishes_in(scope, parent), new)
    entry = next(
        each for each in entries if (each.product_id, each.variant_id) == (new.product_id, new.variant_id)
    )
    _write(scope, WishlistItemRow, WishlistItemRow.wishlist_id == parent, entry, {
        "wishlist_id": parent, "product_snapshot": details, "priority": entry.priority, "notes": entry.notes,
    })  # fmt: skip
    count_wishes(scope, parent)
    return wishes_in(scope, parent)


def remove_wish(scope: Scope, owner: ListOwner, product_id: str, variant_id: str | None) -> tuple[Wish, ...]:
    """Remove a product from the wishlist. Raises NotFound when it is not on it."""
    parent = _made(scope, WishlistRow, owner)
    rest = remove(wishes_in(scope, parent), product_id, variant_id)
    _delete(scope, WishlistItemRow, WishlistItemRow.wishlist_id == parent, product_id, variant_id)
    count_wishes(scope, parent)
    return rest


def compared(scope: Scope, owner: ListOwner) -> tuple[Compared, ...]:
    """The products in the comparison, from left to right."""
    parent = _known(scope, ProductComparisonRow, owner)
    return () if parent is None else compared_in(scope, parent)


def add_compared(
    scope: Scope, owner: ListOwner, product_id: str, variant_id: str | None, snapshot: Mapping[str, Any]
) -> tuple[Compared, ...]:
    """Put a product at the end of the comparison. Raises ListFull."""
    details = storable_json("snapshot", snapshot)
    refuse_unstorable(productId=product_id, variantId=variant_id or "")
    scope.refuse_foreign("products", product_id)
    parent = _made(scope, ProductComparisonRow, owner)
    entries = compare(compared_in(scope, parent), Compared(product_id, variant_id))
    entry = next(each for each in entries if (each.product_id, each.variant_id) == (product_id, variant_id))
    own = ProductComparisonItemRow.comparison_id == parent
    values = {"comparison_id": parent, "product_snapshot": details, "position": entry.position}
    _write(scope, ProductComparisonItemRow, own, entry, values)
    return compared_in(scope, parent)


def remove_compared(
    scope: Scope, owner: ListOwner, product_id: str, variant_id: str | None
) -> tuple[Compared, ...]:
    """Remove a product from the comparison. Raises NotFound when it is not in it."""
    parent = _made(scope, ProductComparisonRow, owner)
    rest = remove(compared_in(scope, parent), product_id, variant_id)
    own = ProductComparisonItemRow.comparison_id == parent
    _delete(scope, ProductComparisonItemRow, own, product_id, variant_id)
    return rest


def list_of(scope: Scope, table: Any, owner: ListOwner, *, locked: bool = False) -> str | None:
    """The id of the owner's list, the earliest one; None without one. `table` is that of wishlists or comparisons."""
    refuse_unstorable(customerId=owner.customer_id or "", sessionToken=owner.session_token or "")
    own = (
        table.customer_id == owner.customer_id
        if owner.customer_id
        else table.session_token == owner.session_token
    )
    mine = select(table.id).where(table.company_id == scope.company_id, own)
    first = mine.order_by(table.created_at, table.id).limit(1)
    list_id = scope.connection.scalar(first.with_for_update() if locked else first)
    return None if list_id is None else str(list_id)


def _known(scope: Scope, table: Any, owner: ListOwner) -> str | None:
    """The id of the owner's list; None without one. Raises NotFound for a customer of another company."""
    list_id = list_of(scope, table, owner)
    if list_id is None:
        scope.refuse_foreign("customers", owner.customer_id)
    return list_id


def _made(scope: Scope, table: Any, owner: ListOwner) -> str:
    """The id of the owner's list, its row locked; a new one when there is none."""
    refuse_unstorable(customerId=owner.customer_id or "", sessionToken=owner.session_token or "")
    lock_customer(scope, owner.customer_id or f"token:{owner.session_token}")
    list_id = list_of(scope, table, owner, locked=True)
    if list_id is not None:
        return list_id
    scope.refuse_foreign("customers", owner.customer_id)
    made = new_id()
    new = {"id": made, "company_id": scope.company_id, "created_at": scope.now, "updated_at": scope.now}
    held = {"customer_id": owner.customer_id, "session_token": owner.session_token}
    made_now = postgresql.insert(table).values(**new, **held).on_conflict_do_nothing()
    if scope.connection.scalar(made_now.returning(table.id)) is None:
        raise InputError(
            "owner.sessionToken",
            "this token belongs to another company",
            hint="Issue a new token for guests.",
        )
    return made


def wishes_in(scope: Scope, parent: str) -> tuple[Wish, ...]:
    """The entries of a wishlist, most wanted first."""
    rows = scope.connection.execute(
        select(WishlistItemRow.__table__)
        .where(WishlistItemRow.wishlist_id == parent)
        .order_by(WishlistItemRow.priority, WishlistItemRow.added_at, WishlistItemRow.id)
    ).mappings()
    return tuple(Wish(row["productId"], row["variantId"], row["priority"], row["notes"]) for row in rows)


def compared_in(scope: Scope, parent: str) -> tuple[Compared, ...]:
    """The entries of a comparison, from left to right."""
    rows = scope.connection.execute(
        select(ProductComparisonItemRow.__table__)
        .where(ProductComparisonItemRow.comparison_id == parent)
        .order_by(ProductComparisonItemRow.position, ProductComparisonItemRow.id)
    ).mappings()
    return tuple(Compared(row["productId"], row["variantId"], row["position"]) for row in rows)


def _write(scope: Scope, table: Any, own: Any, entry: Wish | Compared, values: dict[str, Any]) -> None:
    """Write an entry, where there is a row for it or not: a plain unique index takes NULL variants for different ones."""
    same = (
        own,
        table.product_id == entry.product_id,
        table.variant_id.is_not_distinct_from(entry.variant_id),
    )
    stamped = {**values, "updated_at": scope.now}
    if scope.connection.execute(update(table).where(*same).values(**stamped)).rowcount == 0:
        key = {"id": new_id(), "product_id": entry.product_id, "variant_id": entry.variant_id}
        scope.connection.execute(insert(table).values(**key, **stamped, added_at=scope.now))


def _delete(scope: Scope, table: Any, own: Any, product_id: str, variant_id: str | None) -> None:
    same = (own, table.product_id == product_id, table.variant_id.is_not_distinct_from(variant_id))
    scope.connection.execute(delete(table).where(*same))


def count_wishes(scope: Scope, parent: str) -> None:
    """Write how many entries a wishlist has."""
    count = select(func.count()).where(WishlistItemRow.wishlist_id == parent).scalar_subquery()
    change = update(WishlistRow).where(WishlistRow.id == parent)
    scope.connection.execute(change.values(item_count=count, updated_at=scope.now))
