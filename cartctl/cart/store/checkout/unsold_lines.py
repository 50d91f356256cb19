"""Lines of converted carts that nobody paid for: what another application added or changed after the conversion.

No lock keeps another application from adding a line to a cart that was converted: the foreign key only asks whether the
cart exists. What was sold is stored with the order, so the rest can be listed.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from cartctl.cart.analytics import Period
from cartctl.cart.store.sql_engine import naive

_UNSOLD = text(
    """
    SELECT carts.id, carts."orderId", line.id, line."productId", line.quantity, coalesce(sold.quantity, 0)
    FROM carts JOIN cart_items AS line ON line."cartId" = carts.id
    LEFT JOIN LATERAL (
        SELECT (each ->> 'quantity')::numeric AS quantity
        FROM jsonb_array_elements(metadata #> '{sold,lines}') AS each
        WHERE line.id IN (each ->> 'id', carts.id || ':' || (each ->> 'id')) AND each ->> 'productId' = line."productId"
          AND each ->> 'quantity' ~ '^[0-9]{1,10}$'
    ) AS sold ON true
    WHERE carts."companyId" = :company AND carts.status = 'CONVERTED'
      AND carts."convertedAt" >= :begin AND carts."convertedAt" < :end
      AND jsonb_typeof(metadata #> '{sold,lines}') = 'array' AND line.quantity > coalesce(sold.quantity, 0)
    ORDER BY carts."convertedAt", carts.id, line.id
    """
)


@dataclass(frozen=True, slots=True)
class UnsoldLine:
    """A stored line of a converted cart with more units than were sold: `sold` of `quantity` units were paid for."""

    cart_id: str
    order_id: str
    line_id: str
    product_id: str
    quantity: int
    sold: int


def unsold_lines(connection: Connection, company_id: str, period: Period) -> tuple[UnsoldLine, ...]:
    """Lines that other applications added or increased after the conversion of carts in a period; the oldest orders first.

    Carts that another application converted are not in it: what was sold of them is not known. Read-only.
    """
    limits = {"company": company_id, "begin": naive(period.begin), "end": naive(period.end)}
    rows = connection.execute(_UNSOLD, limits)
    return tuple(
        UnsoldLine(cart, order, line, product, quantity, int(sold))
        for cart, order, line, product, quantity, sold in rows
    )
