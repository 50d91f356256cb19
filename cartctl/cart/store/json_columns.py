"""JSON columns, read tolerantly: another application shares the tables, and a column accepts any JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cartctl.cart.pricing.shipping.weights import GRAMS
from cartctl.cart.store.sql_engine import naive

_HEAVIEST = Decimal(10) ** 7  # as a quote has it


@dataclass(frozen=True, slots=True)
class ProductSnapshot:
    """What a product was when it was put into the cart, as far as prices depend on it."""

    category: str | None
    weight: Decimal
    weight_unit: str
    shipped: bool = True


def names(value: Any) -> tuple[str, ...]:
    """A list of names. Null is an empty one; anything else is a single name, so that it never widens what it limits."""
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def targets(value: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The products and the categories that a promotion is for; what cannot be read is for none that there is."""
    fields = value if isinstance(value, Mapping) else {"productIds": value or None}
    return frozenset(names(fields.get("productIds"))), frozenset(names(fields.get("categoryIds")))


def declined_gifts(metadata: Any) -> frozenset[str]:
    """The promotions whose gift a shopper has declined: `declinedGifts` in a cart's metadata, a list of promotion ids."""
    known = metadata if isinstance(metadata, Mapping) else {}
    return frozenset(names(known.get("declinedGifts")))


def shipping_rule(metadata: Any) -> str | None:
    """The shipping rule chosen for a cart: `shippingRuleId` in its metadata."""
    rule = metadata.get("shippingRuleId") if isinstance(metadata, Mapping) else None
    return rule if isinstance(rule, str) and rule else None


def cancelled_at(metadata: Any) -> datetime | None:
    """When a cart's order was cancelled: `cancelledAt` in its metadata. A time that cannot be read is the earliest one."""
    written = metadata.get("cancelledAt") if isinstance(metadata, Mapping) else None
    if written is None:
        return None
    try:
        return naive(datetime.fromisoformat(str(written)))
    except ValueError:
        return datetime.min  # noqa: DTZ901 - times of the columns have no zone


def unit(value: Any) -> str:
    """A unit of weight as the rules spell it, known or not."""
    return str(value).strip().lower()


def snapshot(value: Any) -> ProductSnapshot:
    """A product's snapshot; what it does not tell as it should is not known of it."""
    fields = value if isinstance(value, Mapping) else {}
    category, measured = fields.get("category"), unit(fields.get("weightUnit"))
    return ProductSnapshot(
        category=category if isinstance(category, str) else None,
        weight=_weight(fields.get("weight")),
        weight_unit=measured if measured in GRAMS else "lb",
        shipped=fields.get("requiresShipping") is not False,
    )


def _weight(value: Any) -> Decimal:
    try:
        weight = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return weight if weight.is_finite() and 0 <= weight <= _HEAVIEST else Decimal(0)
