"""Sentences for the library's codes."""

from cartctl.cart import Reason

_REASONS = {
    Reason.INVALID_TERMS: "its terms are not valid",
    Reason.INACTIVE: "it is not active",
    Reason.NOT_STARTED: "it has not started yet",
    Reason.EXPIRED: "it has ended",
    Reason.OTHER_COMPANY: "it belongs to another shop",
    Reason.INVALID_CODE: "it is not a valid code",
    Reason.DUPLICATE_CODE: "it is already in the cart",
    Reason.LIMIT_REACHED: "its usage limit is reached",
    Reason.CODE_REQUIRES_LOGIN: "sign in to use it",
    Reason.NO_ELIGIBLE_LINE: "nothing in the cart qualifies",
    Reason.MINIMUM_ORDER_AMOUNT: "the cart is below its minimum",
    Reason.OUTRANKED: "another discount saves more",
    Reason.NOT_ENOUGH_UNITS: "more units are needed",
    Reason.NOTHING_TO_DISCOUNT: "there is nothing to discount",
    Reason.ANOTHER_GIFT: "the cart has another gift",
    Reason.GIFT_DECLINED: "the gift was declined",
    Reason.GIFT_OUT_OF_STOCK: "the gift is out of stock",
}


def reason_text(reason: Reason | None) -> str:
    """Why a code has no discount, to follow the code's name; empty without a reason."""
    return _REASONS.get(reason, str(reason)) if reason else ""
