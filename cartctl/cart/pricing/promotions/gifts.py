"""Free gifts: the line that a promotion adds, and the promise that a shopper can decline it but not change it (D6)."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason


@dataclass(frozen=True, slots=True)
class Gift:
    """A promotion's line: `quantity` units of a product, for nothing."""

    promotion: Promotion
    product_id: str
    quantity: int

    @property
    def line_id(self) -> str:
        """The id of its line, the same at every calculation."""
        return line_id(self.promotion.id)


def line_id(promotion_id: str) -> str:
    """The id of the line that a gift promotion makes."""
    return f"gift:{promotion_id}"


def choose_gift(
    promotions: Sequence[Promotion],
    lines: Sequence[Line],
    stock: Mapping[str, int],
    declined: AbstractSet[str],
) -> tuple[Gift | None, dict[str, Reason]]:
    """The first eligible gift that is in stock and was not declined, and why each other promotion gives none.

    A product that `stock` does not name is not counted, and so is never out of stock. The cart's own lines are served
    before the gift.
    """
    gift: Gift | None = None
    reasons: dict[str, Reason] = {}
    for promotion in sorted(promotions, key=lambda promotion: promotion.rank):
        product, quantity = promotion.get_product_id or "", promotion.get_quantity or 1
        if promotion.id in declined:
            reasons[promotion.id] = Reason.GIFT_DECLINED
        elif gift is not None:
            reasons[promotion.id] = Reason.ANOTHER_GIFT
        elif product in stock and stock[product] - _requested(product, lines) < quantity:
            reasons[promotion.id] = Reason.GIFT_OUT_OF_STOCK
        else:
            gift = Gift(promotion, product, quantity)
    return gift, reasons


def _requested(product: str, lines: Sequence[Line]) -> int:
    return sum(line.quantity for line in lines if line.product_id == product)
