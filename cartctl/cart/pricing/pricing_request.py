"""Everything that the price of a cart depends on, as one value: the same request always costs the same."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import Currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.pricing.shipping.zones import ShippingZone
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRate, TaxRounding


@dataclass(frozen=True, slots=True)
class PricingRequest:
    """A cart to be priced, with its company's offers and charges.

    `lines` are in line order and hold no gift. `stock` has units by product id; a product that is not in it is not
    counted. `used` has the customer's uses by promotion id, `declined_gifts` the ids of the promotions concerned.
    """

    currency: Currency
    now: datetime
    lines: tuple[Line, ...]
    tax_mode: TaxMode = TaxMode.EXCLUSIVE
    tax_rounding: TaxRounding = TaxRounding.PER_LINE
    tax_shipping: bool = False
    company_id: str | None = None
    customer_id: str | None = None
    shipping_required: bool = False
    shipping_rule_id: str | None = None
    ship_to: Address | None = None
    stock: Mapping[str, int] = field(default_factory=dict)
    promotions: tuple[Promotion, ...] = ()
    tax_rates: tuple[TaxRate, ...] = ()
    zones: tuple[ShippingZone, ...] = ()
    used: Mapping[str, int] = field(default_factory=dict)
    declined_gifts: AbstractSet[str] = frozenset()
