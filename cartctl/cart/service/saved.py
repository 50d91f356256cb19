"""Lines saved for later: out of the cart and its price, and back again at the price of that day."""

from sqlalchemy import ColumnElement, delete, insert, select, update

from cartctl.cart.errors import NotFound
from cartctl.cart.lifecycle.cart import SavedItem
from cartctl.cart.lifecycle.lists import save
from cartctl.cart.service.changes import CartView, finish, lock
from cartctl.cart.service.lines import NewLine, line_of, refuse_invalid, with_line, without_line
from cartctl.cart.service.scope import Scope, new_id
from cartctl.cart.store.driver_errors import refuse_unstorable
from cartctl.cart.store.tables import CartRow, SavedCartItemRow


def save_for_later(scope: Scope, cart_id: str, line_id: str, version: int | None) -> CartView:
    """Move a line from the cart to what is saved for later."""
    stored = lock(scope, cart_id, version)
    item = line_of(stored, line_id)
    new = SavedItem(item.product_id, item.variant_id, item.quantity, item.unit_price)
    write_saved(scope, cart_id, save(saved_items(scope, cart_id), new))
    changed, write = without_line(stored, item)
    return finish(scope, changed, writes=(write,))


def move_to_cart(scope: Scope, cart_id: str, line: NewLine, version: int | None) -> CartView:
    """Move what is saved of a product into the cart, at the line's price; its quantity is the saved one.

    Raises NotFound for what is not saved.
    """
    refuse_invalid(line)
    stored = lock(scope, cart_id, version)
    own = _own(cart_id, line.product_id, line.variant_id)
    quantities = list(
        scope.connection.scalars(delete(SavedCartItemRow).where(*own).returning(SavedCartItemRow.quantity))
    )
    if not quantities:
        raise NotFound(f"{line.product_id} is not saved for later in cart {cart_id}.")
    saved = NewLine(
        line.product_id, line.unit_price, sum(quantities), line.variant_id, line.snapshot, line.original_price
    )
    changed, write = with_line(scope, stored, saved)
    return finish(scope, changed, writes=(write,))


def read_saved(scope: Scope, cart_id: str) -> tuple[SavedItem, ...]:
    """What is saved for later in a cart of the company. Raises NotFound."""
    refuse_unstorable(cartId=cart_id)
    own = select(CartRow.id).where(CartRow.company_id == scope.company_id, CartRow.id == cart_id)
    if scope.connection.scalar(own) is None:
        raise NotFound(f"Cart {cart_id} not found.")
    return saved_items(scope, cart_id)


def saved_items(scope: Scope, cart_id: str) -> tuple[SavedItem, ...]:
    """What is saved for later, the earliest first."""
    own = select(SavedCartItemRow).where(SavedCartItemRow.cart_id == cart_id)
    rows = scope.connection.execute(own.order_by(SavedCartItemRow.saved_at, SavedCartItemRow.id)).mappings()
    return tuple(
        SavedItem(row["productId"], row["variantId"], row["quantity"], row["priceAtSave"]) for row in rows
    )


def write_saved(scope: Scope, cart_id: str, saved: tuple[SavedItem, ...]) -> None:
    """Write what is saved; what is there already keeps its row."""
    for item in saved:
        own = _own(cart_id, item.product_id, item.variant_id)
        change = update(SavedCartItemRow).where(*own).values(quantity=item.quantity)
        if scope.connection.execute(change).rowcount == 0:
            scope.connection.execute(
                insert(SavedCartItemRow).values(
                    id=new_id(),
                    cart_id=cart_id,
                    product_id=item.product_id,
                    variant_id=item.variant_id,
                    quantity=item.quantity,
                    price_at_save=item.price_at_save,
                    saved_at=scope.now,
                )
            )


def _own(cart_id: str, product_id: str, variant_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return (
        SavedCartItemRow.cart_id == cart_id,
        SavedCartItemRow.product_id == product_id,
        SavedCartItemRow.variant_id.is_not_distinct_from(variant_id),
    )
