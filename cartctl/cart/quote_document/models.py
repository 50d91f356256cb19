"""The quote document as pydantic models: each object with its fields, their types and what they mean.

The rows of promotions, tax rates, zones and rules are those of the database's tables; columns that no price depends on
are accepted and ignored. Null is the same as a missing field. What fields must satisfy together is in `conversion`.
"""

from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from cartctl.cart.quote_document.field_types import (
    Amount,
    Code,
    Count,
    Country,
    Flag,
    Integer,
    LineWeight,
    Moment,
    OfMode,
    OfPromotion,
    OfRounding,
    OfRule,
    OfScope,
    OfTax,
    Quantity,
    Rate,
    Remark,
    Text,
    Unit,
    WeightLimit,
)

LONGEST_LIST = 10_000  # items

T = TypeVar("T")
Many: TypeAlias = Annotated[tuple[T, ...], Field(max_length=LONGEST_LIST, fail_fast=True)]


class DocumentPart(BaseModel):
    """An object of the document."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    def given(self, *ignored: str) -> dict[str, Any]:
        """The fields that have a value, without those that are ignored."""
        fields = self.__dict__
        return {
            name: fields[name]
            for name in self.model_fields_set
            if fields[name] is not None and name not in ignored
        }


class AddressPart(DocumentPart):
    """Where the cart is shipped to."""

    country: Country = Field(description="Country, by ISO 3166 code or English name.")
    state: Text | None = Field(None, description="State or province, by code or name.")
    city: Text | None = Field(None, description="City.")
    postal_code: Text | None = Field(None, description="Postal code, in any usual spelling.")


class LinePart(DocumentPart):
    """A line of the cart."""

    id: Text = Field(description="ID, unique within the document.")
    product_id: Text = Field(description="Product ID.")
    variant_id: Text | None = Field(None, description="Variant ID.")
    category: Text | None = Field(None, description="Category of the product, for promotions and exemptions.")
    unit_price: Amount = Field(description="Price of one unit.")
    quantity: Quantity = Field(description="Number of units.")
    weight: LineWeight | None = Field(None, description="Weight of one unit.")
    weight_unit: Unit | None = Field(None, description="Unit of the weight. Default: lb.")


class TargetingPart(DocumentPart):
    """Which lines a promotion applies to."""

    product_ids: Many[Text] | None = Field(None, description="Products. Default: all.")
    category_ids: Many[Text] | None = Field(None, description="Categories. Default: all.")


class PromotionPart(DocumentPart):
    """A promotion whose code was entered."""

    id: Text = Field(description="ID, unique among the promotions.")
    code: Code = Field(description="Code that the shopper enters.")
    type: OfPromotion = Field(description="Kind of promotion.")
    scope: OfScope = Field(description="What it reduces.")
    value: Any = Field(
        None, description="Percentage (0 to 100) or amount, as text; not for FREE_SHIPPING and FREE_GIFT."
    )
    minimum_order_amount: Amount | None = Field(None, description="Smallest subtotal for which it applies.")
    maximum_discount: Amount | None = Field(None, description="Largest discount it gives.")
    buy_quantity: Quantity | None = Field(None, description="Units to buy, for BUY_X_GET_Y.")
    get_quantity: Quantity | None = Field(None, description="Units that are discounted, for BUY_X_GET_Y.")
    get_product_id: Text | None = Field(None, description="Product given away, for FREE_GIFT.")
    priority: Integer | None = Field(None, description="Order of evaluation, highest first. Default: 0.")
    stackable: Flag | None = Field(None, description="Whether it combines with others. Default: false.")
    targeting: TargetingPart | None = Field(None, description="Lines it applies to. Default: all.")
    starts_at: Moment | None = Field(None, description="First moment at which it applies.")
    expires_at: Moment | None = Field(None, description="Moment from which it no longer applies.")
    is_active: Flag | None = Field(None, description="Whether it applies at all. Default: true.")
    created_at: Moment | None = Field(None, description="Creation time; older ones come first.")


class OwnedPart(DocumentPart):
    """A row that belongs to a company."""

    company_id: Text | None = Field(None, description="Company; one for all rows of a document.")
    created_at: Moment | None = Field(None, description="Creation time.")
    updated_at: Moment | None = Field(None, description="Time of the last update; ignored.")
    is_active: Flag | None = Field(None, description="Whether it applies at all. Default: true.")


class TaxRatePart(OwnedPart):
    """A tax rate."""

    id: Text = Field(description="ID, unique among the tax rates.")
    country: Country = Field(description="Country in which it applies.")
    state: Text | None = Field(None, description="State. Default: the whole country.")
    city: Text | None = Field(None, description="City. Default: all.")
    zip_code: Text | None = Field(None, description="Postal code, prefix (902*) or range (90200...90299).")
    tax_type: OfTax = Field(description="Kind of tax.")
    name: Text = Field(description="Name on the receipt.")
    rate: Rate = Field(description="Fraction, such as 0.0725.")
    is_compound: Flag | None = Field(None, description="Whether it also taxes earlier taxes. Default: false.")
    priority: Integer | None = Field(None, description="Order of calculation. Default: 0.")
    exempt_categories: Many[Text] | None = Field(None, description="Categories that it does not tax.")


class ShippingRulePart(DocumentPart):
    """A way to ship within a zone."""

    id: Text = Field(description="ID, unique within the zone.")
    shipping_zone_id: Text | None = Field(None, description="ID of its zone, if given.")
    name: Text | None = Field(None, description="Name shown to the shopper.")
    description: Remark | None = Field(None, description="Description; ignored.")
    carrier: Remark | None = Field(None, description="Carrier; ignored.")
    service_code: Remark | None = Field(None, description="The carrier's service; ignored.")
    type: OfRule = Field(description="How the price is calculated.")
    base_rate: Amount | None = Field(None, description="Base price; required except for FREE and CALCULATED.")
    per_item_rate: Amount | None = Field(None, description="Price per unit.")
    per_weight_unit_rate: Amount | None = Field(None, description="Price per unit of weight.")
    weight_unit: Unit | None = Field(None, description="Unit of the weights. Default: lb.")
    free_shipping_threshold: Amount | None = Field(None, description="Subtotal from which it is free.")
    min_weight: WeightLimit | None = Field(None, description="Smallest weight of the cart.")
    max_weight: WeightLimit | None = Field(None, description="Largest weight of the cart.")
    min_order_total: Amount | None = Field(None, description="Smallest subtotal.")
    max_order_total: Amount | None = Field(None, description="Largest subtotal.")
    estimated_days_min: Count | None = Field(None, description="Shortest delivery in days; ignored.")
    estimated_days_max: Count | None = Field(None, description="Longest delivery in days; ignored.")
    sort_order: Integer | None = Field(
        None, description="Order among rules of the same price; lowest first. Default: 0."
    )
    is_active: Flag | None = Field(None, description="Whether it applies at all. Default: true.")
    quote: Amount | None = Field(None, description="The carrier's price, for CALCULATED.")
    created_at: Moment | None = Field(None, description="Creation time; ignored.")
    updated_at: Moment | None = Field(None, description="Time of the last update; ignored.")


class ShippingZonePart(OwnedPart):
    """A set of places with its shipping rules. An empty list matches everywhere."""

    id: Text = Field(description="ID, unique among the zones.")
    name: Text | None = Field(None, description="Name.")
    description: Remark | None = Field(None, description="Description; ignored.")
    countries: Many[Country] | None = Field(None, description="Countries.")
    states: Many[Text] | None = Field(None, description="States.")
    zip_codes: Many[Text] | None = Field(None, description="Postal codes, prefixes or ranges.")
    priority: Integer | None = Field(
        None, description="Order among zones that match; highest first. Default: 0."
    )
    rules: Many[ShippingRulePart] | None = Field(None, description="Shipping rules.")


class QuoteDocument(DocumentPart):
    """A cart to price, with its company's terms."""

    currency: Text = Field(description="Currency, by ISO 4217 code.")
    tax_mode: OfMode = Field(description="Whether prices exclude or include taxes.")
    tax_rounding: OfRounding | None = Field(None, description="Where taxes are rounded. Default: per_line.")
    tax_shipping: Flag | None = Field(None, description="Whether shipping is taxed. Default: false.")
    now: Moment = Field(description="Time of the quote; UTC without an offset.")
    company_id: Text | None = Field(None, description="Company of the cart.")
    customer_id: Text | None = Field(None, description="Customer of the cart.")
    shipping_required: Flag | None = Field(None, description="Whether the cart is shipped. Default: false.")
    shipping_rule_id: Text | None = Field(
        None, description="Shipping rule that was chosen. Default: the cheapest."
    )
    ship_to: AddressPart | None = Field(None, description="Where the cart is shipped to.")
    stock: dict[str, Count] | None = Field(None, description="Known stock by product ID.")
    lines: Many[LinePart] = Field(description="The lines of the cart.")
    promotions: Many[PromotionPart] | None = Field(None, description="Promotions whose codes were entered.")
    tax_rates: Many[TaxRatePart] | None = Field(None, description="The company's tax rates.")
    shipping_zones: Many[ShippingZonePart] | None = Field(None, description="The company's shipping zones.")
