"""Promotions: which may exist, which of them a cart may have, and on which lines (D4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from cartctl.domain.cart import Line
from cartctl.domain.enums import PromotionScope, PromotionType

_ANY = frozenset(PromotionScope)
VALID_PAIRS = {
    PromotionType.PERCENTAGE_OFF: _ANY,
    PromotionType.FIXED_AMOUNT_OFF: _ANY,
    PromotionType.BUY_X_GET_Y: frozenset({PromotionScope.PRODUCT, PromotionScope.CATEGORY}),
    PromotionType.FREE_SHIPPING: frozenset({PromotionScope.SHIPPING}),
    PromotionType.FREE_GIFT: frozenset({PromotionScope.CART}),
}
PERCENTAGES = frozenset({PromotionType.PERCENTAGE_OFF, PromotionType.BUY_X_GET_Y})  # whose value is 0 to 100


class Group(StrEnum):
    """The classes of promotions; between them everything combines (D5)."""

    PRODUCT = "product"
    CART = "cart"
    SHIPPING = "shipping"
    GIFT = "gift"


class Reason(StrEnum):
    """Why a promotion was not applied."""

    INACTIVE = "INACTIVE"
    NOT_STARTED = "NOT_STARTED"
    EXPIRED = "EXPIRED"
    OTHER_COMPANY = "OTHER_COMPANY"
    LIMIT_REACHED = "LIMIT_REACHED"
    CODE_REQUIRES_LOGIN = "CODE_REQUIRES_LOGIN"
    NO_ELIGIBLE_LINE = "NO_ELIGIBLE_LINE"
    MINIMUM_ORDER_AMOUNT = "MINIMUM_ORDER_AMOUNT"
    OUTRANKED = "OUTRANKED"
    NOT_ENOUGH_UNITS = "NOT_ENOUGH_UNITS"
    NOTHING_TO_DISCOUNT = "NOTHING_TO_DISCOUNT"
    ANOTHER_GIFT = "ANOTHER_GIFT"
    GIFT_DECLINED = "GIFT_DECLINED"
    GIFT_OUT_OF_STOCK = "GIFT_OUT_OF_STOCK"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion's terms; `value` is a percentage (0 to 100) or an amount, as its type says. Empty targets mean every line."""

    id: str
    code: str
    type: PromotionType
    scope: PromotionScope
    value: Decimal
    created_at: datetime
    company_id: str | None = None
    minimum_order_amount: Decimal | None = None
    maximum_discount: Decimal | None = None
    buy_quantity: int | None = None
    get_quantity: int | None = None
    get_product_id: str | None = None
    priority: int = 0
    stackable: bool = False
    product_ids: frozenset[str] = frozenset()
    category_ids: frozenset[str] = frozenset()
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    is_active: bool = True
    max_uses_total: int | None = None
    max_uses_per_customer: int | None = None
    current_uses: int = 0

    @property
    def group(self) -> Group:
        """The class it is compared in (D5)."""
        if self.type is PromotionType.FREE_GIFT:
            return Group.GIFT
        return _GROUPS[self.scope]

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """The order of promotions and the tie between them: priority descending, createdAt, id (D5)."""
        return (-self.priority, self.created_at, self.id)


_GROUPS = {
    PromotionScope.PRODUCT: Group.PRODUCT,
    PromotionScope.CATEGORY: Group.PRODUCT,
    PromotionScope.CART: Group.CART,
    PromotionScope.SHIPPING: Group.SHIPPING,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What eligibility looks at beside the promotion.

    `subtotal` is the undiscounted one; `used` has the customer's own uses by promotion id.
    """

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


def ineligible(promotion: Promotion, facts: Facts) -> Reason | None:
    """The first rule of D4 that a promotion breaks in this cart, or None."""
    if promotion.company_id is not None and promotion.company_id != facts.company_id:
        return Reason.OTHER_COMPANY
    return _out_of_time(promotion, facts.now) or _used_up(promotion, facts) or _not_for(promotion, facts)


def _out_of_time(promotion: Promotion, now: datetime) -> Reason | None:
    if not promotion.is_active:
        return Reason.INACTIVE
    if promotion.starts_at is not None and now < promotion.starts_at:
        return Reason.NOT_STARTED
    if promotion.expires_at is not None and now >= promotion.expires_at:
        return Reason.EXPIRED
    return None


def _used_up(promotion: Promotion, facts: Facts) -> Reason | None:
    if promotion.max_uses_total is not None and promotion.current_uses >= promotion.max_uses_total:
        return Reason.LIMIT_REACHED
    if promotion.max_uses_per_customer is None:
        return None
    if facts.customer_id is None:
        return Reason.CODE_REQUIRES_LOGIN
    used = facts.used.get(promotion.id, 0)
    return Reason.LIMIT_REACHED if used >= promotion.max_uses_per_customer else None


def _not_for(promotion: Promotion, facts: Facts) -> Reason | None:
    if not eligible_lines(promotion, facts.lines):
        return Reason.NO_ELIGIBLE_LINE
    if promotion.minimum_order_amount is not None and facts.subtotal < promotion.minimum_order_amount:
        return Reason.MINIMUM_ORDER_AMOUNT
    return None
