"""A stored cart as the library's rules know it."""

from sqlalchemy import Connection, select

from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.store.loading import cart_of
from cartctl.cart.store.tables import CartRow


def load_cart(connection: Connection, company_id: str, cart_id: str) -> Cart | None:
    """A company's cart without its lines; None without one."""
    own = (CartRow.company_id == company_id, CartRow.id == cart_id)
    row = connection.execute(select(CartRow.__table__).where(*own)).mappings().one_or_none()
    return None if row is None else cart_of(row)
