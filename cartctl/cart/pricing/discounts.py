"""Every promotion of a cart in turn, and what became of each: classes one after the other (D3, D5), gifts beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cartctl.cart.enums import PromotionType
from cartctl.cart.pricing.money import Currency
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PromotionOutcome
from cartctl.cart.pricing.promotions.basket import Basket
from cartctl.cart.pricing.promotions.codes import repeated
from cartctl.cart.pricing.promotions.discount_amounts import line_discount, shipping_discount
from cartctl.cart.pricing.promotions.eligibility import EligibilityFacts, ineligible
from cartctl.cart.pricing.promotions.gifts import Gift, choose_gift
from cartctl.cart.pricing.promotions.promotion import Promotion, PromotionClass, Reason
from cartctl.cart.pricing.promotions.stacking import AppliedPromotion, Choice, Discount, Take, Units, choose


@dataclass(slots=True)
class Discounts:
    """The promotions of one calculation: those still in the running by class, and those that are decided."""

    request: PricingRequest
    basket: Basket
    running: dict[PromotionClass, list[Promotion]] = field(default_factory=dict)
    applied: dict[str, int] = field(default_factory=dict)
    refused: dict[str, Reason] = field(default_factory=dict)

    def on_lines(self, rest: Sequence[int]) -> list[int]:
        """What the lines still cost after the product's and then the cart's promotions (D3, steps 2 and 3)."""

        def take(promotion: Promotion, left: Sequence[int], counted: Units) -> Discount:
            return line_discount(promotion, self.basket, left, counted)

        return self._apply(PromotionClass.CART, self._apply(PromotionClass.PRODUCT, rest, take), take)

    def on_shipping(self, cost: int) -> int:
        """What shipping still costs after its promotions (D3, step 6)."""

        def take(promotion: Promotion, left: Sequence[int], _counted: Units) -> Discount:
            return shipping_discount(promotion, self.basket.currency, left)

        return self._apply(PromotionClass.SHIPPING, [cost], take)[0]

    def gift(self) -> Gift | None:
        """The gift, if there is one."""
        request = self.request
        promotions = self.running.get(PromotionClass.GIFT, [])
        gift, reasons = choose_gift(promotions, request.lines, request.stock, request.declined_gifts)
        self.refused |= reasons
        if gift:
            self.applied[gift.promotion.id] = 0
        return gift

    def outcomes(self) -> tuple[PromotionOutcome, ...]:
        """What became of each promotion, in the order of the request."""
        money = self.basket.currency
        return tuple(
            PromotionOutcome(
                promotion.id,
                promotion.code,
                promotion.id in self.applied,
                money.amount(self.applied.get(promotion.id, 0)),
                self.refused.get(promotion.id),
            )
            for promotion in self.request.promotions
        )

    def _apply(self, group: PromotionClass, rest: Sequence[int], take: Take) -> list[int]:
        if group not in self.running:
            return list(rest)
        choice = choose(self.running[group], rest, take)
        self._decide(choice)
        return list(choice.rest)

    def _decide(self, choice: Choice) -> None:
        for applied in choice.won:
            if applied.amount:
                self.applied[applied.promotion.id] = applied.amount
            else:
                self.refused[applied.promotion.id] = _fruitless(applied)
        for applied in choice.lost:
            self.refused[applied.promotion.id] = Reason.OUTRANKED if applied.amount else _fruitless(applied)


def _fruitless(applied: AppliedPromotion) -> Reason:
    if applied.promotion.type is PromotionType.BUY_X_GET_Y:
        return Reason.NOT_ENOUGH_UNITS
    return Reason.NOTHING_TO_DISCOUNT


def begin(request: PricingRequest, prices: Sequence[int], subtotal: int) -> Discounts:
    """Sort the eligible promotions of a request into their classes, and tell why the others are not (D4)."""
    money: Currency = request.currency
    discounts = Discounts(request, Basket(money, request.lines, prices))
    facts = EligibilityFacts(
        money=money,
        now=request.now,
        lines=request.lines,
        subtotal=money.amount(subtotal),
        company_id=request.company_id,
        customer_id=request.customer_id,
        used=request.used,
    )
    eligible = []
    for promotion in request.promotions:
        if reason := ineligible(promotion, facts):
            discounts.refused[promotion.id] = reason
        else:
            eligible.append(promotion)
    discounts.refused |= {promotion.id: Reason.DUPLICATE_CODE for promotion in repeated(eligible)}
    for promotion in eligible:
        if promotion.id not in discounts.refused:
            discounts.running.setdefault(promotion.group, []).append(promotion)
    return discounts
