"""Promotions: which may exist, how they are ordered, and the reasons why one is not applied (D4, D5)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from cartctl.cart.enums import PromotionScope, PromotionType

_ANY = frozenset(PromotionScope)
VALID_PAIRS = {
    PromotionType.PERCENTAGE_OFF: _ANY,
    PromotionType.FIXED_AMOUNT_OFF: _ANY,
    PromotionType.BUY_X_GET_Y: frozenset({PromotionScope.PRODUCT, PromotionScope.CATEGORY}),
    PromotionType.FREE_SHIPPING: frozenset({PromotionScope.SHIPPING}),
    PromotionType.FREE_GIFT: frozenset({PromotionScope.CART}),
}
PERCENTAGES = frozenset({PromotionType.PERCENTAGE_OFF, PromotionType.BUY_X_GET_Y})  # whose value is 0 to 100
WHOLE = Decimal(100)


class PromotionClass(StrEnum):
    """The classes of promotions; between them everything combines (D5)."""

    PRODUCT = "product"
    CART = "cart"
    SHIPPING = "shipping"
    GIFT = "gift"


class Reason(StrEnum):
    """Why a promotion was not applied."""

    INVALID_TERMS = "INVALID_TERMS"
    INACTIVE = "INACTIVE"
    NOT_STARTED = "NOT_STARTED"
    EXPIRED = "EXPIRED"
    OTHER_COMPANY = "OTHER_COMPANY"
    INVALID_CODE = "INVALID_CODE"
    DUPLICATE_CODE = "DUPLICATE_CODE"
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
    def group(self) -> PromotionClass:
        """The class it is compared in (D5)."""
        if self.type is PromotionType.FREE_GIFT:
            return PromotionClass.GIFT
        return _GROUPS[self.scope]

    @property
    def rank(self) -> tuple[int, datetime, str]:
        """The order of promotions and the tie between them: priority descending, createdAt, id (D5)."""
        return (-self.priority, self.created_at, self.id)


_GROUPS = {
    PromotionScope.PRODUCT: PromotionClass.PRODUCT,
    PromotionScope.CATEGORY: PromotionClass.PRODUCT,
    PromotionScope.CART: PromotionClass.CART,
    PromotionScope.SHIPPING: PromotionClass.SHIPPING,
}
