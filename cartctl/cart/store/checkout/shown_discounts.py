"""The discounts of a cart's promotions as they are stored: what a shopper was shown last."""

from sqlalchemy import text

from cartctl.cart.lifecycle.payment import AcceptedQuote
from cartctl.cart.store.checkout.stored_cart import StoredCart
from cartctl.cart.store.round_trips import Call, Statement

_CHANGE = Statement(
    text(
        """
    UPDATE cart_promotions AS shown SET "discountAmount" = given.amount
    FROM unnest(CAST(:promotions AS text[]), CAST(:amounts AS numeric[])) AS given (promotion, amount)
    WHERE shown."cartId" = :cart AND shown."promotionId" = given.promotion
    """
    )
)


def changed_discounts(stored: StoredCart, quote: AcceptedQuote) -> list[Call]:
    """The statement that writes what each code gives, if it differs from what is stored.

    A code without effect stays, with a discount of 0; conversion compares with what was shown.
    """
    changed = [given for given in quote.discounts if given.amount != stored.shown.get(given.promotion_id)]
    if not changed:
        return []
    promotions = [given.promotion_id for given in changed]
    amounts = [given.amount for given in changed]
    return [_CHANGE(cart=stored.cart.id, promotions=promotions, amounts=amounts)]
