"""The statements that write the lines of a cart as they were sold, and find out whether they are still those that were priced.

The rows are replaced, under the same ids, not updated. Another application's UPDATE or DELETE that waited for our lock
would otherwise be applied to the cart after it was converted; now it finds no row. Where other tables refer to the lines,
or where triggers or generated columns make replacing them unsafe, they are updated.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, text

from cartctl.cart.errors import CartChanged
from cartctl.cart.lifecycle.payment import AcceptedLine, AcceptedQuote
from cartctl.cart.pricing.promotions.gifts import line_id
from cartctl.cart.store.round_trips import Call, Rows, Statement
from cartctl.cart.store.tables import CartItemRow

_REPLACEABLE = Statement(
    text(
        """
    SELECT NOT EXISTS (SELECT FROM pg_constraint WHERE confrelid = 'cart_items'::regclass)
       AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'cart_items'::regclass AND NOT tgisinternal)
       AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'cart_items'::regclass
                       AND (attgenerated <> '' OR attidentity <> '')) AS replaceable
    """
    )
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
_REPLACE = Statement(
    text(
        f"""{_SOLD}
    gone AS (DELETE FROM cart_items AS line WHERE line."cartId" = :cart RETURNING line AS whole, line.*),
    changed AS (
        SELECT jsonb_populate_record(line.whole, jsonb_build_object(
            'discountAmount', sold.discount, 'lineTotal', sold.net, 'updatedAt', CAST(:now AS timestamp))) AS whole
        FROM gone AS line JOIN sold ON {_SAME} WHERE line."giftPromotionId" IS NULL
    ),
    written AS (INSERT INTO cart_items SELECT (changed.whole).* FROM changed RETURNING id)
    SELECT (SELECT count(*) FROM gone WHERE "giftPromotionId" IS NULL) AS stored, (SELECT count(*) FROM written) AS written
    """  # noqa: S608 - parts of this module
    )
)
_UPDATE = Statement(
    text(
        f"""{_SOLD}
    written AS (
        UPDATE cart_items AS line SET "discountAmount" = sold.discount, "lineTotal" = sold.net, "updatedAt" = :now
        FROM sold WHERE line."cartId" = :cart AND line."giftPromotionId" IS NULL AND {_SAME} RETURNING line.id
    ),
    gone AS (DELETE FROM cart_items AS line WHERE line."cartId" = :cart AND line."giftPromotionId" IS NOT NULL)
    SELECT (SELECT count(*) FROM cart_items AS line WHERE line."cartId" = :cart AND line."giftPromotionId" IS NULL)
               AS stored,
           (SELECT count(*) FROM written) AS written
    """  # noqa: S608 - parts of this module
    )
)

_GIFT = Statement(
    insert(CartItemRow).values(
        {
            CartItemRow.__table__.c[name]: bindparam(name)
            for name in (
                *("id", "cartId", "productId", "productSnapshot", "quantity", "unitPrice", "originalPrice"),
                *("discountAmount", "lineTotal", "giftPromotionId", "updatedAt"),
            )
        }
    )
)


def replaceable() -> Call:
    """The statement that finds out whether lines may be replaced."""
    return _REPLACEABLE()


def sold_lines(cart_id: str, quote: AcceptedQuote, now: datetime, *, replacing: bool) -> list[Call]:
    """The statements that write each line's discount and total, and the gift (D6), as the quote has them.

    `replacing` is what the statement of `replaceable` gave. The rows of the first are for `refuse_other_lines`.
    """
    own = [line for line in quote.lines if not line.gift]
    statement = _REPLACE if replacing else _UPDATE
    gifts = [gift_line(cart_id, line, now) for line in quote.lines if line.gift]
    return [statement(**_columns(own, cart_id, now)), *gifts]


def refuse_other_lines(rows: Rows, cart_id: str, quote: AcceptedQuote) -> None:
    """Raises CartChanged where the stored lines are not those of the quote: another application changed them meanwhile."""
    own = sum(not line.gift for line in quote.lines)
    if not rows[0]["stored"] == rows[0]["written"] == own:
        raise CartChanged(
            f"The lines of cart {cart_id} were changed by another application.", hint="Try again."
        )


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


def gift_line(cart_id: str, line: AcceptedLine, now: datetime) -> Call:
    """The statement that adds a gift's line; its id differs from cart to cart."""
    return _GIFT(
        id=f"{cart_id}:{line.id}",
        cartId=cart_id,
        productId=line.product_id,
        productSnapshot="{}",
        quantity=line.quantity,
        unitPrice=line.unit_price,
        originalPrice=line.unit_price,
        discountAmount=line.discount,
        lineTotal=line.net,
        giftPromotionId=line.id.removeprefix(line_id("")),
        updatedAt=now,
    )
