"""A guest logs in: their cart becomes the customer's, or goes into the one that is there (D9)."""

from dataclasses import replace
from decimal import Decimal

from sqlalchemy import delete, insert, select, update

from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.errors import CartNotActive, NotFound
from cartctl.cart.lifecycle import merge as rules
from cartctl.cart.lifecycle import states
from cartctl.cart.lifecycle.cart import Cart, Item
from cartctl.cart.lifecycle.merge import MergeClaim, Merged, Quantities
from cartctl.cart.lifecycle.payment import refuse_while_paying
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.service.changes import CartView, finish
from cartctl.cart.service.list_merging import merge_lists
from cartctl.cart.service.opening import find_open, lock_customer, new_token, read_cart
from cartctl.cart.service.saved import saved_items, write_saved
from cartctl.cart.service.scope import Scope, new_id
from cartctl.cart.store.checkout.stored_cart import StoredCart, load_stored
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.tables import CartItemRow, CartPromotionRow, CartRow


def merge_cart(
    scope: Scope, cart_id: str, session_token: str, customer_id: str, quantities: Quantities
) -> tuple[CartView, tuple[str, ...]]:
    """Merge the guest's cart `cart_id` into the customer's of the same type of site, or adopt it when there is none.

    The guest's wishlist and comparison go with it. Gives the customer's cart, and a warning for each line that stock has
    cut and each product that the comparison has no place for. Again with the same carts nothing changes.
    """
    merged, warnings = _merged(scope, cart_id, session_token, customer_id, quantities)
    return merged, (*warnings, *merge_lists(scope, session_token, customer_id))


def _merged(
    scope: Scope, cart_id: str, session_token: str, customer_id: str, quantities: Quantities
) -> tuple[CartView, tuple[str, ...]]:
    refuse_unstorable(cartId=cart_id, sessionToken=session_token)
    scope.refuse_foreign("customers", customer_id)
    lock_customer(scope, customer_id)
    claim = MergeClaim(scope.company_id, customer_id, session_token)
    target_id = _target(scope, cart_id, customer_id)
    stored = {
        key: load_stored(scope.connection, scope.company_id, key)
        for key in sorted({cart_id, target_id or cart_id})
    }
    source = stored[cart_id]
    target = stored[target_id] if target_id is not None and target_id != cart_id else None
    if source.cart.status is CartStatus.MERGED and (
        target is None or source.cart.merged_into_cart_id != target.cart.id
    ):
        raise CartNotActive(f"Cart {cart_id} is MERGED; it can no longer be changed.")
    for each in stored.values():
        refuse_while_paying(each.payment, scope.now, each.cart.id)
    done = rules.merge(
        _whole(scope, source),
        None if target is None else _whole(scope, target),
        claim,
        scope.now,
        new_token=new_token(),
        stock=scope.terms.stock,
        quantities=quantities,
    )
    if done.replayed:
        return read_cart(scope, done.target.id), ()
    if target is None:
        columns = {"customerId": customer_id, "sessionToken": done.target.session_token}
        return finish(scope, replace(source, cart=done.target), columns=columns), done.warnings
    return _written(scope, source, target, done), done.warnings


def _target(scope: Scope, cart_id: str, customer_id: str) -> str | None:
    """The customer's cart to merge into: where the source went already, else the open one of the same type of site.

    Of several, one in the source's currency: a customer has a cart for each currency that they shop in.
    """
    own = select(CartRow.merged_into_cart_id, CartRow.customer_id, CartRow.site_type, CartRow.currency).where(
        CartRow.company_id == scope.company_id, CartRow.id == cart_id
    )
    source = scope.connection.execute(own).one_or_none()
    if source is None:
        raise NotFound(f"Cart {cart_id} not found.")
    if source.mergedIntoCartId is not None:
        return str(source.mergedIntoCartId)
    if source.customerId is not None:
        return None
    theirs, kind = CartRow.customer_id == customer_id, SiteType(source.siteType)
    return find_open(scope, theirs, source.currency, kind) or find_open(scope, theirs, None, kind)


def _whole(scope: Scope, stored: StoredCart) -> Cart:
    """A cart with its lines, saved items and codes; an abandoned one has come back, since its shopper has."""
    cart = stored.cart
    if cart.status is CartStatus.ABANDONED:
        cart = states.reactivated(cart, scope.now)
    codes = tuple(promotion.code for promotion in stored.promotions)
    return replace(cart, items=stored.items, saved=saved_items(scope, cart.id), discount_codes=codes)


def _written(scope: Scope, source: StoredCart, target: StoredCart, done: Merged) -> CartView:
    """Write both carts: lines move, others get their units; what is left of the source stays with it."""
    connection, cart_id = scope.connection, target.cart.id
    before = {item.id: item for item in target.items}
    remaining = {item.id for item in done.target.items}
    removed = [
        name for name, item in before.items() if item.gift_promotion_id is None and name not in remaining
    ]
    if removed:
        connection.execute(delete(CartItemRow).where(CartItemRow.id.in_(removed)))
    for item in done.target.items:
        _write_item(scope, cart_id, item, before.get(item.id))
    write_saved(scope, cart_id, done.target.saved)
    promotions, shown = _union(scope, source, target)
    connection.execute(
        update(CartRow)
        .where(CartRow.id == source.cart.id)
        .values(
            status=CartStatus.MERGED,
            session_token=None,
            merged_into_cart_id=cart_id,
            merged_at=scope.now,
            version=CartRow.version + 1,
            updated_at=scope.now,
        )
    )
    gifts = tuple(item for item in target.items if item.gift_promotion_id is not None)
    merged = replace(
        target, cart=done.target, items=(*done.target.items, *gifts), promotions=promotions, shown=shown
    )
    return finish(scope, merged, columns={"discountCodes": list(done.target.discount_codes)})


def _write_item(scope: Scope, cart_id: str, item: Item, before: Item | None) -> None:
    if before is not None and before.quantity == item.quantity:
        return
    change = update(CartItemRow).where(CartItemRow.id == item.id)
    scope.connection.execute(change.values(cart_id=cart_id, quantity=item.quantity, updated_at=scope.now))


def _union(
    scope: Scope, source: StoredCart, target: StoredCart
) -> tuple[tuple[Promotion, ...], dict[str, Decimal]]:
    """The promotions of both carts; those that only the source had are applied to the target."""
    new = [promotion for promotion in source.promotions if promotion.id not in target.shown]
    for promotion in new:
        row = {"id": new_id(), "cart_id": target.cart.id, "promotion_id": promotion.id, "discount_amount": 0}
        scope.connection.execute(insert(CartPromotionRow).values(**row, applied_at=scope.now))
    shown = {**target.shown, **{promotion.id: promotion.value * 0 for promotion in new}}
    return (*target.promotions, *new), shown
