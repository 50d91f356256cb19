"""Accepted quotes and payments as JSON in a cart's metadata: `payment` while one is under way, `sold` after conversion.

Times are UTC text of one width, so that SQL compares them as text: a cast would fail on what others write.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cartctl.cart.errors import InputError
from cartctl.cart.lifecycle.payment import AcceptedDiscount, AcceptedLine, AcceptedQuote, Payment
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.store.sql_engine import naive

_TIME = "%Y-%m-%dT%H:%M:%S.%f"
TIME_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"  # of a time in metadata


def time_text(moment: datetime) -> str:
    """A time as metadata has it: UTC, to the millisecond."""
    return f"{naive(moment).strftime(_TIME)[:-3]}Z"


def quote_document(quote: AcceptedQuote) -> dict[str, Any]:
    """A quote as JSON; amounts are text."""
    return {
        "currency": quote.currency,
        "subtotal": f"{quote.subtotal:f}",
        "discountTotal": f"{quote.discount_total:f}",
        "shippingTotal": f"{quote.shipping_total:f}",
        "taxTotal": f"{quote.tax_total:f}",
        "grandTotal": f"{quote.grand_total:f}",
        "itemCount": quote.item_count,
        "lines": [_line_document(line) for line in quote.lines],
        "discounts": [
            {"promotionId": given.promotion_id, "applied": given.applied, "amount": f"{given.amount:f}"}
            for given in quote.discounts
        ],
        "shipTo": None if quote.ship_to is None else _address_document(quote.ship_to),
        "shippingRuleId": quote.shipping_rule_id,
    }


def payment_document(payment: Payment) -> dict[str, Any]:
    """A payment as JSON."""
    return {
        "id": payment.id,
        "startedAt": time_text(payment.started_at),
        "expiresAt": time_text(payment.expires_at),
        "quote": None if payment.quote is None else quote_document(payment.quote),
    }


def payment_of(metadata: Any) -> Payment | None:
    """The payment in a cart's metadata, times without a zone; None where there is none or its times cannot be read."""
    payment = metadata.get("payment") if isinstance(metadata, Mapping) else None
    if not isinstance(payment, Mapping):
        return None
    started, ends = _time(payment.get("startedAt")), _time(payment.get("expiresAt"))
    if started is None or ends is None:
        return None
    return Payment(str(payment.get("id")), started, ends, quote_of(payment.get("quote")))


def sold_quote(metadata: Any) -> AcceptedQuote | None:
    """What a converted cart was sold as, from its metadata; None where another application has converted it."""
    return quote_of(metadata.get("sold")) if isinstance(metadata, Mapping) else None


def quote_of(value: Any) -> AcceptedQuote | None:
    """A quote from its JSON; None for anything else."""
    try:
        return AcceptedQuote(
            currency=str(value["currency"]),
            subtotal=Decimal(value["subtotal"]),
            discount_total=Decimal(value["discountTotal"]),
            shipping_total=Decimal(value["shippingTotal"]),
            tax_total=Decimal(value["taxTotal"]),
            grand_total=Decimal(value["grandTotal"]),
            item_count=int(value["itemCount"]),
            lines=tuple(_line(line) for line in value["lines"]),
            discounts=tuple(
                AcceptedDiscount(str(given["promotionId"]), bool(given["applied"]), Decimal(given["amount"]))
                for given in value["discounts"]
            ),
            ship_to=None if value["shipTo"] is None else Address(**value["shipTo"]),
            shipping_rule_id=value["shippingRuleId"],
        )
    except (AttributeError, InputError, InvalidOperation, KeyError, TypeError, ValueError):
        return None


def _line_document(line: AcceptedLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "gift": line.gift,
        "productId": line.product_id,
        "variantId": line.variant_id,
        "quantity": line.quantity,
        "unitPrice": f"{line.unit_price:f}",
        "discount": f"{line.discount:f}",
        "net": f"{line.net:f}",
        "tax": f"{line.tax:f}",
    }


def _line(value: Mapping[str, Any]) -> AcceptedLine:
    return AcceptedLine(
        id=str(value["id"]),
        gift=bool(value["gift"]),
        product_id=str(value["productId"]),
        variant_id=None if value["variantId"] is None else str(value["variantId"]),
        quantity=int(value["quantity"]),
        unit_price=Decimal(value["unitPrice"]),
        discount=Decimal(value["discount"]),
        net=Decimal(value["net"]),
        tax=Decimal(value["tax"]),
    )


def _address_document(address: Address) -> dict[str, str | None]:
    return {
        "country": address.country,
        "state": address.state,
        "city": address.city,
        "postal_code": address.postal_code,
    }


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.strptime(value, f"{_TIME}Z").replace(tzinfo=UTC).replace(tzinfo=None)
    except ValueError:
        return None
