"""What a shopper accepted to pay, and the payment that is under way for it (D1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cartctl.cart.errors import CartChanged, InputError, PaymentInFlight, TotalChanged
from cartctl.cart.lifecycle.cart import Item
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricedLine, PricingResult

PAYMENT_TIMEOUT = timedelta(minutes=30)
LONGEST_PAYMENT = timedelta(days=7)  # bank transfers and the like

LineKey = tuple[str, str, str | None, int, Decimal]


@dataclass(frozen=True, slots=True)
class AgreedTotal:
    """The total that a shopper accepted, and its currency (ISO 4217)."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"


@dataclass(frozen=True, slots=True)
class AcceptedLine:
    """A line as it was sold; a gift's amounts are 0. `net` is after all discounts."""

    id: str
    gift: bool
    product_id: str
    variant_id: str | None
    quantity: int
    unit_price: Decimal
    discount: Decimal
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class AcceptedDiscount:
    """What a promotion of the cart took off; one that is not `applied` took off nothing and is not used up."""

    promotion_id: str
    applied: bool
    amount: Decimal


@dataclass(frozen=True, slots=True)
class AcceptedQuote:
    """Everything that a conversion charges and writes; `blocked` says why the cart cannot be bought like this (D8)."""

    currency: str
    subtotal: Decimal
    discount_total: Decimal
    shipping_total: Decimal
    tax_total: Decimal
    grand_total: Decimal
    item_count: int
    lines: tuple[AcceptedLine, ...]
    discounts: tuple[AcceptedDiscount, ...]
    ship_to: Address | None = None
    shipping_rule_id: str | None = None
    blocked: tuple[str, ...] = ()

    @property
    def agreed(self) -> AgreedTotal:
        """The total to accept."""
        return AgreedTotal(self.grand_total, self.currency)


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment of a cart. Times are UTC; `quote` is None if another application has written something else."""

    id: str
    started_at: datetime
    expires_at: datetime
    quote: AcceptedQuote | None

    def in_flight(self, now: datetime) -> bool:
        """Whether it may still succeed: it has not ended and not timed out."""
        return now < self.expires_at


def accepted_quote(request: PricingRequest, priced: PricingResult) -> AcceptedQuote:
    """A price in the form that a conversion charges."""
    lines = {line.id: line for line in request.lines}
    return AcceptedQuote(
        currency=request.currency.code,
        subtotal=priced.subtotal,
        discount_total=priced.discount_total,
        shipping_total=priced.shipping_total,
        tax_total=priced.tax_total,
        grand_total=priced.grand_total,
        item_count=priced.item_count,
        lines=tuple(_accepted_line(line, lines) for line in priced.lines),
        discounts=tuple(
            AcceptedDiscount(outcome.id, outcome.applied, outcome.amount) for outcome in priced.promotions
        ),
        ship_to=request.ship_to,
        shipping_rule_id=priced.shipping.rule.id if priced.shipping else None,
        blocked=priced.blocked,
    )


def _accepted_line(priced: PricedLine, lines: Mapping[str, Line]) -> AcceptedLine:
    return AcceptedLine(
        id=priced.id,
        gift=priced.gift,
        product_id=priced.product_id,
        variant_id=None if priced.gift else lines[priced.id].variant_id,
        quantity=priced.quantity,
        unit_price=priced.unit_price,
        discount=priced.discount,
        net=priced.net,
        tax=priced.tax,
    )


def refuse_other_total(agreed: AgreedTotal, quote: AcceptedQuote, subject: str) -> None:
    """Raises TotalChanged, with both totals, where the cart costs something else than the shopper accepted."""
    if agreed != quote.agreed:
        raise TotalChanged(
            f"{subject} costs {quote.agreed}, not the accepted {agreed}.",
            agreed=str(agreed),
            total=str(quote.agreed),
            hint="Show the new total.",
        )


def refuse_changed(
    quote: AcceptedQuote, items: Iterable[Item], ship_to: Address | None, cart_id: str
) -> None:
    """Raises CartChanged where the stored lines or the address are not those of the quote that is being paid."""
    stored = sorted(map(_key, (item for item in items if item.gift_promotion_id is None)))
    paid = sorted(
        _sortable((line.id, line.product_id, line.variant_id, line.quantity, line.unit_price))
        for line in quote.lines
        if not line.gift
    )
    if stored != paid:
        raise CartChanged(f"The lines of cart {cart_id} are not those that were paid for.")
    if ship_to != quote.ship_to:
        raise CartChanged(f"The address of cart {cart_id} is not the one that was paid for.")


def refuse_while_paying(payment: Payment | None, now: datetime, cart_id: str) -> None:
    """Raises PaymentInFlight for a change of a cart that is being paid for."""
    if payment is not None and payment.in_flight(now):
        raise PaymentInFlight(
            f"A payment of cart {cart_id} is in progress until {payment.expires_at:%Y-%m-%d %H:%M:%S} UTC.",
            hint="End the payment before changing the cart.",
        )


def payment_timeout(timeout: timedelta) -> timedelta:
    """How long a payment may take. Raises InputError for nothing and for more than 7 days."""
    if not timedelta(0) < timeout <= LONGEST_PAYMENT:
        raise InputError("timeout", f"{timeout} is not between 0 and {LONGEST_PAYMENT.days} days")
    return timeout


def _key(item: Item) -> tuple[str, ...]:
    return _sortable((item.id, item.product_id, item.variant_id, item.quantity, item.unit_price))


def _sortable(key: LineKey) -> tuple[str, ...]:
    line_id, product, variant, quantity, price = key
    return (line_id, product, variant or "", str(quantity), f"{price.normalize():f}")
