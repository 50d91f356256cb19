"""Numbers of a quote that the columns of a database do not hold exactly: another application's may be narrower than ours.

PostgreSQL rounds a number with too many decimals without an error: a quote from such a number is not what the cart costs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from cartctl.cart.errors import OutOfRange
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult


@dataclass(frozen=True, slots=True)
class ColumnRange:
    """The digits and decimals of a NUMERIC column."""

    table: str
    column: str
    precision: int
    scale: int

    def fault(self, number: Decimal) -> str | None:
        """Why a number is not stored as it is; None when it is."""
        name = f"{self.table}.{self.column}, numeric({self.precision},{self.scale})"
        if abs(number) >= Decimal(10) ** (self.precision - self.scale):
            return f"{number} is beyond {name}"
        exponent = number.normalize().as_tuple().exponent
        if isinstance(exponent, int) and -exponent > self.scale:
            return f"{number} would be rounded to {self.scale} decimals by {name}"
        return None


def refuse_inexact(ranges: Iterable[ColumnRange], request: PricingRequest, priced: PricingResult) -> None:
    """Raises OutOfRange, with the path of the field, for a number that its column would round or refuse."""
    known = {(each.table, each.column): each for each in ranges}
    for path, table, column, number in (*_terms(request), *_amounts(priced)):
        column_range = known.get((table, column))
        fault = None if column_range is None or number is None else column_range.fault(number)
        if fault:
            raise OutOfRange(path, fault, hint="Use a number that fits the column, or widen the column.")


def _terms(request: PricingRequest) -> Iterator[tuple[str, str, str, Decimal | None]]:
    for place, line in enumerate(request.lines):
        yield f"lines[{place}].unitPrice", "cart_items", "unitPrice", line.unit_price
    for place, tax in enumerate(request.tax_rates):
        yield f"taxRates[{place}].rate", "tax_rates", "rate", tax.rate
    for place, promotion in enumerate(request.promotions):
        path = f"promotions[{place}]"
        yield f"{path}.value", "promotions", "value", promotion.value
        yield f"{path}.minimumOrderAmount", "promotions", "minimumOrderAmount", promotion.minimum_order_amount
        yield f"{path}.maximumDiscount", "promotions", "maximumDiscount", promotion.maximum_discount
    for zone, each in enumerate(request.zones):
        for place, rule in enumerate(each.rules):
            path = f"shippingZones[{zone}].rules[{place}]"
            yield f"{path}.baseRate", "shipping_rules", "baseRate", rule.base_rate
            yield f"{path}.perItemRate", "shipping_rules", "perItemRate", rule.per_item_rate
            yield (
                f"{path}.perWeightUnitRate",
                "shipping_rules",
                "perWeightUnitRate",
                rule.per_weight_unit_rate,
            )
            yield f"{path}.minWeight", "shipping_rules", "minWeight", rule.min_weight
            yield f"{path}.maxWeight", "shipping_rules", "maxWeight", rule.max_weight


def _amounts(priced: PricingResult) -> Iterator[tuple[str, str, str, Decimal]]:
    yield "subtotal", "carts", "subtotal", priced.subtotal
    yield "discountTotal", "carts", "discountTotal", priced.discount_total
    yield "shippingTotal", "carts", "shippingTotal", priced.shipping_total
    yield "taxTotal", "carts", "taxTotal", priced.tax_total
    yield "grandTotal", "carts", "grandTotal", priced.grand_total
