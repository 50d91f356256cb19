"""The library's errors, each with the code that an API responds with. Where one is raised, nothing was changed."""

from typing import ClassVar


class CartError(Exception):
    """An error of the cart library: a one-sentence message, a hint on what to do, and a stable code."""

    code: ClassVar[str] = "CART_ERROR"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RuleBroken(CartError):
    """A rule of the cart does not allow this."""

    code = "RULE_BROKEN"


class CartNotActive(RuleBroken):
    """The cart is converted, merged or expired, which are final states."""

    code = "CART_NOT_ACTIVE"


class TransitionInvalid(RuleBroken):
    """The cart's state does not allow this transition, or its guard is not met."""

    code = "INVALID_TRANSITION"


class OrderConflict(RuleBroken):
    """The cart was converted into another order."""

    code = "ORDER_CONFLICT"


class ConversionBlocked(RuleBroken):
    """The cart cannot become an order as it is."""

    code = "CONVERSION_BLOCKED"


class DiscountLost(ConversionBlocked):
    """A code that gave a discount when the cart was shown gives none now; `total` is the cart's total without it."""

    code = "DISCOUNT_LOST"

    def __init__(self, message: str, *, promotion_code: str, total: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.promotion_code = promotion_code
        self.total = total


class TotalChanged(ConversionBlocked):
    """The total differs from what the shopper accepted; both totals are given, each with its currency."""

    code = "TOTAL_CHANGED"

    def __init__(self, message: str, *, agreed: str, total: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.agreed = agreed
        self.total = total


class CartChanged(ConversionBlocked):
    """Another application changed the cart, or a promotion of it, while it was converted or paid for."""

    code = "CART_CHANGED"


class PaymentInFlight(RuleBroken):
    """A payment is in progress, so the cart cannot be changed."""

    code = "PAYMENT_IN_FLIGHT"


class VersionConflict(RuleBroken):
    """The cart was changed since it was read."""

    code = "VERSION_CONFLICT"


class KeyReused(RuleBroken):
    """An idempotency key was used for something else."""

    code = "KEY_REUSED"


class TryAgain(RuleBroken):
    """The call conflicted with other transactions; nothing was changed, and another attempt may succeed."""

    code = "TRY_AGAIN"


class SchemaUnsupported(CartError):
    """The tables, made by another application, lack what this call needs."""

    code = "SCHEMA_UNSUPPORTED"


class SessionNotActive(RuleBroken):
    """The session has ended."""

    code = "SESSION_NOT_ACTIVE"


class NotFound(RuleBroken):
    """The company has nothing with this ID."""

    code = "NOT_FOUND"


class CodeRequiresLogin(RuleBroken):
    """A promotion with a limit per customer was used without a customer."""

    code = "CODE_REQUIRES_LOGIN"


class LimitReached(RuleBroken):
    """A promotion has reached its usage limit."""

    code = "PROMOTION_LIMIT_REACHED"


class CurrencyMismatch(RuleBroken):
    """Carts of different currencies cannot be merged."""

    code = "CURRENCY_MISMATCH"


class MergeRefused(RuleBroken):
    """These two carts may not be merged."""

    code = "MERGE_REFUSED"


class GiftFixed(RuleBroken):
    """A gift's line belongs to the promotion: it can be declined, but not changed."""

    code = "GIFT_FIXED"


class ListFull(RuleBroken):
    """A comparison is full."""

    code = "LIST_FULL"


class InputError(CartError):
    """A document or value that the rules cannot work with; the message begins with the path of the field."""

    code = "INVALID_INPUT"

    def __init__(self, path: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"{path}: {why}" if path else why, hint=hint)
        self.path = path


class OutOfRange(InputError):
    """An amount, a quantity or a count that the database's columns cannot hold."""

    code = "OUT_OF_RANGE"
