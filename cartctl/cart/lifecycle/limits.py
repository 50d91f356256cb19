"""What converting a cart uses up (D7): in which order, and which uses a cancelled order releases.

The counting itself is the database's: one conditional UPDATE per promotion, in this order, so that carts which are
converted at once never wait for each other in a circle.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cartctl.cart.errors import CodeRequiresLogin, LimitReached
from cartctl.cart.lifecycle.payment import AcceptedQuote
from cartctl.cart.pricing.promotions.promotion import Promotion


@dataclass(frozen=True, slots=True)
class Usage:
    """One use of a promotion, by one order."""

    promotion_id: str
    order_id: str
    cart_id: str
    customer_id: str | None
    discount_amount: Decimal


def usages(quote: AcceptedQuote, order_id: str, cart_id: str, customer_id: str | None) -> tuple[Usage, ...]:
    """What a conversion uses up: every applied promotion once, in the order of promotion ids."""
    applied = sorted((given.promotion_id, given.amount) for given in quote.discounts if given.applied)
    return tuple(Usage(name, order_id, cart_id, customer_id, amount) for name, amount in applied)


def refuse_guest(promotion: Promotion, customer_id: str | None) -> None:
    """Raises CodeRequiresLogin for a promotion that is limited per customer, where there is no customer."""
    if promotion.max_uses_per_customer is not None and customer_id is None:
        raise CodeRequiresLogin(f"{promotion.code} is limited per customer.", hint="Log in to use this code.")


def refuse_used_up(promotion: Promotion, current_uses: int, by_customer: int) -> None:
    """Raises LimitReached where one more use would be too many; both counts are those before it, with the row locked."""
    total, each = promotion.max_uses_total, promotion.max_uses_per_customer
    if total is not None and current_uses >= total:
        raise LimitReached(f"{promotion.code} has been used {total} times, which is its limit.")
    if each is not None and by_customer >= each:
        raise LimitReached(
            f"This customer has used {promotion.code} {each} times, which is the limit per customer."
        )


def released_usages(order_id: str, recorded: Iterable[Usage]) -> tuple[Usage, ...]:
    """The usages that cancelling an order deletes, each to be subtracted once; none when it was cancelled before."""
    usages: dict[str, Usage] = {use.promotion_id: use for use in recorded if use.order_id == order_id}
    return tuple(usages[name] for name in sorted(usages))
