"""Which promotions a cart may have, and on which lines (D4). Judged anew at every calculation and at conversion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cartctl.cart.enums import PromotionType
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import Currency
from cartctl.cart.pricing.promotions.codes import is_code
from cartctl.cart.pricing.promotions.promotion import PERCENTAGES, VALID_PAIRS, WHOLE, Promotion, Reason


@dataclass(frozen=True, slots=True)
class EligibilityFacts:
    """What eligibility looks at beside the promotion.

    `subtotal` is the undiscounted one; `used` has the uses by promotion id, of the customer and of all with their e-mail.
    """

    money: Currency
    now: datetime
    lines: Sequence[Line]
    subtotal: Decimal
    company_id: str | None
    customer_id: str | None
    used: Mapping[str, int]


def eligible_lines(promotion: Promotion, lines: Sequence[Line]) -> list[int]:
    """The indexes of the lines that a promotion is for: those that either of its target lists names."""
    products, categories = promotion.product_ids, promotion.category_ids
    if not products and not categories:
        return list(range(len(lines)))
    return [n for n, line in enumerate(lines) if line.product_id in products or line.category in categories]


def ineligible(promotion: Promotion, facts: EligibilityFacts) -> Reason | None:
    """The first rule of D4 that a promotion breaks in this cart, or None."""
    if promotion.company_id is not None and promotion.company_id != facts.company_id:
        return Reason.OTHER_COMPANY
    if not is_code(promotion.code):
        return Reason.INVALID_CODE
    if not _makes_sense(promotion, facts.money):
        return Reason.INVALID_TERMS
    return _out_of_time(promotion, facts.now) or _used_up(promotion, facts) or _not_for(promotion, facts)


def _has_line(promotion: Promotion, lines: Sequence[Line]) -> bool:
    products, categories = promotion.product_ids, promotion.category_ids
    if not products and not categories:
        return bool(lines)
    return any(line.product_id in products or line.category in categories for line in lines)


def _makes_sense(promotion: Promotion, money: Currency) -> bool:
    """Whether terms are ones that could be entered: a database that others write to may hold any."""
    kind, value = promotion.type, promotion.value
    if promotion.scope not in VALID_PAIRS[kind] or value < 0:
        return False
    if kind is PromotionType.BUY_X_GET_Y and not (promotion.buy_quantity and promotion.get_quantity):
        return False
    if kind is PromotionType.FREE_GIFT and not promotion.get_product_id:
        return False
    if kind in PERCENTAGES:
        return value <= WHOLE and money.holds(promotion.maximum_discount)
    return money.holds(value) and money.holds(promotion.maximum_discount)


def _out_of_time(promotion: Promotion, now: datetime) -> Reason | None:
    if not promotion.is_active:
        return Reason.INACTIVE
    if promotion.starts_at is not None and now < promotion.starts_at:
        return Reason.NOT_STARTED
    if promotion.expires_at is not None and now >= promotion.expires_at:
        return Reason.EXPIRED
    return None


def _used_up(promotion: Promotion, facts: EligibilityFacts) -> Reason | None:
    if promotion.max_uses_total is not None and promotion.current_uses >= promotion.max_uses_total:
        return Reason.LIMIT_REACHED
    if promotion.max_uses_per_customer is None:
        return None
    if facts.customer_id is None:
        return Reason.CODE_REQUIRES_LOGIN
    used = facts.used.get(promotion.id, 0)
    return Reason.LIMIT_REACHED if used >= promotion.max_uses_per_customer else None


def _not_for(promotion: Promotion, facts: EligibilityFacts) -> Reason | None:
    if not _has_line(promotion, facts.lines):
        return Reason.NO_ELIGIBLE_LINE
    if promotion.minimum_order_amount is not None and facts.subtotal < promotion.minimum_order_amount:
        return Reason.MINIMUM_ORDER_AMOUNT
    return None
