"""Writes the lines of a cart as they were sold, and finds out whether they are still those that were priced.

The rows are replaced, under the same ids, not updated. Another application's UPDATE or DELETE that waited for our lock
would otherwise be applied to the cart after it was converted; now it finds no row. Where other tables refer to the lines,
or where triggers or generated columns make replacing them unsafe, they are updated.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, text

from cartctl.cart.errors import CartChanged
from cartctl.cart.lifecycle.payment import AcceptedLine, AcceptedQuote
from cartctl.cart.pricing.promotions.gifts import line_id
from cartctl.cart.store.tables import CartItemRow

_REPLACEABLE = text(
    """
    SELECT NOT EXISTS (SELECT FROM pg_constraint WHERE confrelid = 'cart_items'::regclass)
       AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'cart_items'::regclass AND NOT tgisinternal)
       AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'cart_items'::regclass
                       AND (attgenerated <> '' OR attidentity <> ''))
    """
)
_SOLD = """
    WITH sold AS (
        SELECT * FROM unnest(
            CAST(:ids AS text[]), CAST(:products AS text[]), CAST(:variants AS text[]), CAST(:quantities AS integer[]),
            CAST(:prices AS numeric[]), CAST(:discounts AS numeric[]), CAST(:nets AS numeric[])
        ) AS sold (id, product, variant, quantity, price, discount, net)
    ),
"""
_SAME = """
    line.id = sold.id AND line."productId" = sold.product AND line."variantId" IS NOT DISTINCT FROM sold.variant
    AND line.quantity = sold.quantity AND line."unitPrice" = sold.price
"""
_REPLACE = text(
    f"""{_SOLD}
    gone AS (DELETE FROM cart_items AS line WHERE line."cartId" = :cart RETURNING line AS whole, line.*),
    changed AS (
        SELECT jsonb_populate_record(line.whole, jsonb_build_object(
            'discountAmount', sold.discount, 'lineTotal', sold.net, 'updatedAt', CAST(:now AS timestamp))) AS whole
        FROM gone AS line JOIN sold ON {_SAME} WHERE line."giftPromotionId" IS NULL
    ),
    written AS (INSERT INTO cart_items SELECT (changed.whole).* FROM changed RETURNING id)
    SELECT (SELECT count(*) FROM gone WHERE "giftPromotionId" IS NULL), (SELECT count(*) FROM written)
    """  # noqa: S608 - parts of this module
)
_UPDATE = text(
    f"""{_SOLD}
    written AS (
        UPDATE cart_items AS line SET "discountAmount" = sold.discount, "lineTotal" = sold.net, "updatedAt" = :now
        FROM sold WHERE line."cartId" = :cart AND line."giftPromotionId" IS NULL AND {_SAME} RETURNING line.id
    ),
    gone AS (DELETE FROM cart_items AS line WHERE line."cartId" = :cart AND line."giftPromotionId" IS NOT NULL)
    SELECT (SELECT count(*) FROM cart_items AS line WHERE line."cartId" = :cart AND line."giftPromotionId" IS NULL),
           (SELECT count(*) FROM written)
    """  # noqa: S608 - parts of this module
)


def write_sold_lines(connection: Connection, cart_id: str, quote: AcceptedQuote, now: datetime) -> None:
    """Write each line's discount and total, and the gift (D6), as the quote has them.

    Raises CartChanged where the stored lines are not those of the quote: another application changed them meanwhile.
    """
    own = [line for line in quote.lines if not line.gift]
    statement = _REPLACE if connection.scalar(_REPLACEABLE) else _UPDATE
    stored, written = connection.execute(statement, _columns(own, cart_id, now)).one()
    if not stored == written == len(own):
        raise CartChanged(
            f"The lines of cart {cart_id} were changed by another application.", hint="Try again."
        )
    for line in quote.lines:
        if line.gift:
            connection.execute(insert(CartItemRow).values(**gift_columns(cart_id, line), updated_at=now))


def _columns(lines: Sequence[AcceptedLine], cart_id: str, now: datetime) -> dict[str, Any]:
    return {
        "cart": cart_id,
        "now": now,
        "ids": [line.id for line in lines],
        "products": [line.product_id for line in lines],
        "variants": [line.variant_id for line in lines],
        "quantities": [line.quantity for line in lines],
        "prices": [line.unit_price for line in lines],
        "discounts": [line.discount for line in lines],
        "nets": [line.net for line in lines],
    }


def gift_columns(cart_id: str, line: AcceptedLine) -> dict[str, Any]:
    """The columns of a gift's line; its id differs from cart to cart."""
    return {
        "id": f"{cart_id}:{line.id}",
        "cart_id": cart_id,
        "product_id": line.product_id,
        "product_snapshot": {},
        "quantity": line.quantity,
        "unit_price": line.unit_price,
        "original_price": line.unit_price,
        "discount_amount": line.discount,
        "line_total": line.net,
        "gift_promotion_id": line.id.removeprefix(line_id("")),
    }
