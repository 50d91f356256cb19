"""A quote: a request and its price, and as a mapping the JSON object that programs read. Its keys are an interface."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult

_TOTALS = {
    "subtotal": "subtotal",
    "discountTotal": "discount_total",
    "shippingTotal": "shipping_total",
    "taxTotal": "tax_total",
    "grandTotal": "grand_total",
}


@dataclass(frozen=True, eq=False)
class Quote(Mapping[str, Any]):
    """The price of a cart, explained. Amounts are strings with the currency's decimals."""

    kind: ClassVar[str] = "quote"
    request: PricingRequest
    priced: PricingResult

    def __getitem__(self, key: str) -> Any:
        return self._fields[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    @cached_property
    def _fields(self) -> dict[str, Any]:
        priced = self.priced
        return {
            "currency": self.request.currency.code,
            **{key: _text(getattr(priced, name)) for key, name in _TOTALS.items()},
            "itemCount": priced.item_count,
            "taxStatus": priced.tax_status.value,
            "shippingStatus": priced.shipping_status.value,
            "lines": [
                {
                    "id": line.id,
                    "gift": line.gift,
                    "base": _text(line.base),
                    "discount": _text(line.discount),
                    "net": _text(line.net),
                    "tax": _text(line.tax),
                }
                for line in priced.lines
            ],
            "promotions": [
                {
                    "id": each.id,
                    "applied": each.applied,
                    "amount": _text(each.amount),
                    "reason": each.reason,
                }
                for each in priced.promotions
            ],
            "taxes": [{"name": each.rate.name, "amount": _text(each.amount)} for each in priced.taxes],
            "shipping": self._shipping(),
            "warnings": list(priced.warnings),
        }

    def _shipping(self) -> dict[str, str] | None:
        shipped = self.priced.shipping
        if shipped is None:
            return None
        return {
            "zoneId": shipped.zone.id,
            "ruleId": shipped.rule.id,
            "amount": _text(shipped.amount),
            "discount": _text(shipped.discount),
        }


def quote(request: PricingRequest) -> Quote:
    """Price a request. Raises InputError when the total is larger than the database's columns hold."""
    return Quote(request, price(request))


def _text(amount: Decimal) -> str:
    return f"{amount:f}"
