"""The terms of promotions, rates and rules in words, and why a promotion was not applied."""

from decimal import Decimal

from cartctl.cart.enums import PromotionScope, PromotionType, ShippingRuleType
from cartctl.cart.pricing.money import Currency
from cartctl.cart.pricing.promotions.promotion import Promotion, Reason
from cartctl.cart.pricing.shipping.zones import ShippingRule
from cartctl.cart.pricing.tax.rates import TaxRate

_WHERE = {
    PromotionScope.CART: "the cart",
    PromotionScope.PRODUCT: "each unit of its products",
    PromotionScope.CATEGORY: "each unit of its categories",
    PromotionScope.SHIPPING: "shipping",
}
_REASONS = {
    Reason.INVALID_TERMS: "its terms are invalid",
    Reason.INACTIVE: "it is disabled",
    Reason.OTHER_COMPANY: "it belongs to another company",
    Reason.INVALID_CODE: "its code is not printable ASCII",
    Reason.DUPLICATE_CODE: "another promotion has the same code",
    Reason.LIMIT_REACHED: "its usage limit is reached",
    Reason.CODE_REQUIRES_LOGIN: "it has a limit per customer, and the shopper is not logged in",
    Reason.NO_ELIGIBLE_LINE: "it does not apply to any line of the cart",
    Reason.OUTRANKED: "another promotion of its class gives a larger discount, or the same at a higher rank",
    Reason.NOTHING_TO_DISCOUNT: "nothing is left to discount",
    Reason.ANOTHER_GIFT: "a gift of a higher rank applies",
    Reason.GIFT_DECLINED: "the gift was declined",
    Reason.GIFT_OUT_OF_STOCK: "the gift is out of stock",
}


def why_not(promotion: Promotion, reason: Reason, money: Currency) -> str:
    """The reason in words, with the promotion's own numbers where it has some."""
    if reason is Reason.NOT_STARTED:
        return f"it starts at {promotion.starts_at:%Y-%m-%d %H:%M %Z}"
    if reason is Reason.EXPIRED:
        return f"it ended at {promotion.expires_at:%Y-%m-%d %H:%M %Z}"
    if reason is Reason.MINIMUM_ORDER_AMOUNT:
        return f"the subtotal is below {amount(promotion.minimum_order_amount, money)}"
    if reason is Reason.NOT_ENOUGH_UNITS:
        return "too few units to buy and get, or they cost nothing"
    return _REASONS[reason]


def promotion_terms(promotion: Promotion, money: Currency) -> str:
    """What a promotion gives: `10 % off the cart, at most 30.00, stackable`."""
    terms = [_gives(promotion, money)]
    if promotion.maximum_discount is not None:
        terms.append(f"at most {amount(promotion.maximum_discount, money)}")
    if promotion.minimum_order_amount is not None:
        terms.append(f"from {amount(promotion.minimum_order_amount, money)}")
    if promotion.stackable:
        terms.append("stackable")
    return ", ".join(terms)


def _gives(promotion: Promotion, money: Currency) -> str:
    value = promotion.value
    match promotion.type:
        case PromotionType.FREE_SHIPPING:
            return "free shipping"
        case PromotionType.FREE_GIFT:
            return f"{promotion.get_quantity or 1} x {promotion.get_product_id} as a gift"
        case PromotionType.BUY_X_GET_Y:
            got = f" of {promotion.get_product_id}" if promotion.get_product_id else ""
            return f"buy {promotion.buy_quantity}, get {promotion.get_quantity}{got} at {plain(value)} % off"
        case PromotionType.PERCENTAGE_OFF:
            return f"{plain(value)} % off {_WHERE[promotion.scope]}"
        case PromotionType.FIXED_AMOUNT_OFF:
            return f"{amount(value, money)} off {_WHERE[promotion.scope]}"


def rate_terms(rate: TaxRate) -> str:
    """How a rate is taken: `8 % compound, not on food`."""
    terms = [f"{plain(rate.rate * 100)} %{' compound' if rate.is_compound else ''}"]
    if rate.exempt_categories:
        terms.append(f"not on {', '.join(sorted(rate.exempt_categories))}")
    return ", ".join(terms)


def rule_terms(rule: ShippingRule, price: Decimal, money: Currency) -> str:
    """How a rule found its price: `4.00 + 0.50 per item`."""
    if rule.free_shipping_threshold is not None and not price:
        return f"free from {amount(rule.free_shipping_threshold, money)}"
    base = amount(rule.base_rate, money)
    match rule.type:
        case ShippingRuleType.PER_ITEM:
            return f"{base} + {amount(rule.per_item_rate, money)} per item"
        case ShippingRuleType.WEIGHT_BASED:
            return f"{base} + {amount(rule.per_weight_unit_rate, money)} per started {rule.weight_unit}"
        case ShippingRuleType.CALCULATED:
            return "the carrier's quote"
        case ShippingRuleType.FREE:
            return "free"
        case _:
            return "flat rate" if rule.type is ShippingRuleType.FLAT_RATE else "price by the cart's value"


def amount(value: Decimal | None, money: Currency) -> str:
    """An amount with the currency's decimals; None is nothing."""
    return f"{value or 0:.{money.decimals}f}"


def plain(number: Decimal) -> str:
    """A number without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
