"""Rows as the domain's values: a cart, and everything that its price depends on. Times are UTC without a zone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, select

from cartctl.cart.enums import (
    CartStatus,
    PromotionScope,
    PromotionType,
    ShippingRuleType,
    SiteType,
    TaxType,
)
from cartctl.cart.lifecycle import cart as domain
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.promotions.promotion import Promotion
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
from cartctl.cart.pricing.tax.rates import TaxMode, TaxRate, TaxRounding
from cartctl.cart.store.json_columns import (
    cancelled_at,
    declined_gifts,
    names,
    shipping_rule,
    snapshot,
    targets,
    unit,
)
from cartctl.cart.store.round_trips import Call, Rows, Statement
from cartctl.cart.store.tables import (
    ShippingRuleRow,
    ShippingZoneRow,
    TaxRateRow,
)
from cartctl.cart.store.tables.platform import PRODUCTS
from cartctl.cart.store.usages import used_by

_COMPANY: BindParameter[str] = bindparam("company")
_OFFERS = (
    Statement(select(TaxRateRow.__table__).where(TaxRateRow.company_id == _COMPANY, TaxRateRow.is_active)),
    Statement(
        select(ShippingZoneRow.__table__).where(
            ShippingZoneRow.company_id == _COMPANY, ShippingZoneRow.is_active
        )
    ),
    Statement(
        select(ShippingRuleRow.__table__)
        .join(ShippingZoneRow, ShippingZoneRow.id == ShippingRuleRow.shipping_zone_id)
        .where(ShippingZoneRow.company_id == _COMPANY, ShippingZoneRow.is_active, ShippingRuleRow.is_active)
        .order_by(ShippingRuleRow.sort_order, ShippingRuleRow.id)
    ),
)


class CompanyOffers(NamedTuple):
    """The rows of a company's active tax rates, shipping zones and their rules."""

    rates: Rows
    zones: Rows
    rules: Rows


def offers_of(company_id: str) -> tuple[Call, Call, Call]:
    """The statements that read a company's offers, in the order of `CompanyOffers`."""
    rates, zones, rules = _OFFERS
    return rates(company=company_id), zones(company=company_id), rules(company=company_id)


@dataclass(frozen=True, slots=True)
class PricingTerms:
    """Pricing terms that are not in the tables: how the company taxes, what it ships and what it has in stock.

    `stock` has units by product id; a product that is not in it is not counted. Shipping is required unless nothing is
    shipped: set `shipping_required` to False for a company that only sells what is not shipped, or `requiresShipping` to
    false in the snapshots of such products. `shipping_rule_id` is the chosen rule; None is the one chosen for the cart.
    """

    tax_mode: TaxMode = TaxMode.EXCLUSIVE
    tax_rounding: TaxRounding = TaxRounding.PER_LINE
    tax_shipping: bool = False
    shipping_required: bool = True
    shipping_rule_id: str | None = None
    stock: Mapping[str, int] = field(default_factory=dict)


def request_of(
    connection: Connection,
    row: Mapping[str, Any],
    items: tuple[domain.Item, ...],
    promotions: tuple[Promotion, ...],
    offers: CompanyOffers,
    now: datetime,
    terms: PricingTerms,
) -> PricingRequest:
    """Everything that a cart's price depends on, of its own company alone; `row` has the columns of `carts`.

    Nothing is shipped where the terms say so, or where every line's snapshot has `requiresShipping` false.
    """
    company, customer = row["companyId"], row["customerId"]
    limited = [promotion.id for promotion in promotions if promotion.max_uses_per_customer is not None]
    own = (item for item in items if item.gift_promotion_id is None)
    shipped = terms.shipping_required and any(item.shipped for item in own)
    chosen = shipping_rule(row["metadata"]) if terms.shipping_rule_id is None else terms.shipping_rule_id
    return PricingRequest(
        currency=currency(row["currency"]),
        now=now,
        lines=domain.lines(items),
        tax_mode=terms.tax_mode,
        tax_rounding=terms.tax_rounding,
        tax_shipping=terms.tax_shipping,
        company_id=company,
        customer_id=customer,
        shipping_required=shipped,
        shipping_rule_id=chosen,
        ship_to=address_of(row),
        stock={**terms.stock, **_missing_gifts(connection, promotions)},
        promotions=promotions,
        tax_rates=tuple(_tax_rate(rate) for rate in offers.rates),
        zones=_zones(offers) if shipped else (),
        used=used_by(connection, company, customer, limited),
        declined_gifts=declined_gifts(row["metadata"]),
    )


def _missing_gifts(connection: Connection, promotions: Iterable[Promotion]) -> dict[str, int]:
    """Gifts that are no products any more, as products out of stock: nothing in the tables keeps a gift's product."""
    gifts = {
        promotion.get_product_id or ""
        for promotion in promotions
        if promotion.type is PromotionType.FREE_GIFT
    }
    if not gifts:
        return {}
    return dict.fromkeys(
        gifts - set(connection.scalars(select(PRODUCTS.c.id).where(PRODUCTS.c.id.in_(gifts)))), 0
    )


def address_of(row: Mapping[str, Any]) -> Address | None:
    """Where a cart is shipped to, by its columns. Raises InputError for a part that is too long."""
    country = row["shippingCountry"]
    if not country or not country.strip():
        return None
    return Address(country, row["shippingState"], row["shippingCity"], row["shippingPostalCode"])


def _zones(offers: CompanyOffers) -> tuple[ShippingZone, ...]:
    by_zone: dict[str, list[ShippingRule]] = {row["id"]: [] for row in offers.zones}
    for row in offers.rules:
        if row["shippingZoneId"] in by_zone:  # a zone added between the two statements
            by_zone[row["shippingZoneId"]].append(_rule(row))
    return tuple(_zone(row, by_zone[row["id"]]) for row in offers.zones)


def cart_of(row: Mapping[Any, Any]) -> domain.Cart:
    """A cart without its lines, by the columns of `carts`."""
    return domain.Cart(
        id=row["id"],
        company_id=row["companyId"],
        status=CartStatus(row["status"]),
        currency=row["currency"],
        item_count=row["itemCount"],
        created_at=row["createdAt"],
        last_activity_at=row["lastActivityAt"],
        site_type=SiteType(row["siteType"]),
        customer_id=row["customerId"],
        session_token=row["sessionToken"],
        grand_total=row["grandTotal"],
        discount_codes=names(row["discountCodes"]),
        expires_at=row["expiresAt"],
        abandoned_at=row["abandonedAt"],
        converted_at=row["convertedAt"],
        cancelled_at=cancelled_at(row["metadata"]),
        order_id=row["orderId"],
        merged_into_cart_id=row["mergedIntoCartId"],
        merged_at=row["mergedAt"],
        recovery_email_sent=row["recoveryEmailSent"],
        recovery_email_sent_at=row["recoveryEmailSentAt"],
        recovery_clicks=row["recoveryClicks"],
    )


def item_of(row: Mapping[Any, Any]) -> domain.Item:
    """A line; category and weight are those of the product when it was added."""
    product = snapshot(row["productSnapshot"])
    return domain.Item(
        id=row["id"],
        product_id=row["productId"],
        quantity=row["quantity"],
        unit_price=row["unitPrice"],
        added_at=row["addedAt"],
        variant_id=row["variantId"],
        custom_fields=row["customFields"],
        gift_message=row["giftMessage"],
        is_gift=row["isGift"],
        gift_promotion_id=row["giftPromotionId"],
        category=product.category,
        weight=product.weight,
        weight_unit=product.weight_unit,
        shipped=product.shipped,
    )


def promotion_of(row: Mapping[Any, Any]) -> Promotion:
    """A promotion, by the columns of `promotions`."""
    products, categories = targets(row["targeting"])
    return Promotion(
        id=row["id"],
        code=row["code"],
        type=PromotionType(row["type"]),
        scope=PromotionScope(row["scope"]),
        value=row["value"],
        created_at=row["createdAt"],
        company_id=row["companyId"],
        minimum_order_amount=row["minimumOrderAmount"],
        maximum_discount=row["maximumDiscount"],
        buy_quantity=row["buyQuantity"],
        get_quantity=row["getQuantity"],
        get_product_id=row["getProductId"],
        priority=row["priority"],
        stackable=row["stackable"],
        product_ids=products,
        category_ids=categories,
        starts_at=row["startsAt"],
        expires_at=row["expiresAt"],
        is_active=row["isActive"],
        max_uses_total=row["maxUsesTotal"],
        max_uses_per_customer=row["maxUsesPerCustomer"],
        current_uses=row["currentUses"],
    )


def _tax_rate(row: Mapping[Any, Any]) -> TaxRate:
    return TaxRate(
        id=row["id"],
        country=row["country"],
        tax_type=TaxType(row["taxType"]),
        name=row["name"],
        rate=row["rate"],
        state=row["state"],
        city=row["city"],
        zip_code=row["zipCode"],
        is_compound=row["isCompound"],
        priority=row["priority"],
        exempt_categories=frozenset(names(row["exemptCategories"])),
    )


def _zone(row: Mapping[str, Any], rules: Iterable[ShippingRule]) -> ShippingZone:
    return ShippingZone(
        id=row["id"],
        created_at=row["createdAt"],
        name=row["name"],
        countries=tuple(row["countries"] or ()),
        states=tuple(row["states"] or ()),
        zip_codes=tuple(row["zipCodes"] or ()),
        priority=row["priority"],
        rules=tuple(rules),
    )


def _rule(row: Mapping[str, Any]) -> ShippingRule:
    return ShippingRule(
        id=row["id"],
        type=ShippingRuleType(row["type"]),
        base_rate=row["baseRate"],
        name=row["name"],
        per_item_rate=row["perItemRate"],
        per_weight_unit_rate=row["perWeightUnitRate"],
        weight_unit=unit(row["weightUnit"]),
        free_shipping_threshold=row["freeShippingThreshold"],
        min_weight=row["minWeight"],
        max_weight=row["maxWeight"],
        min_order_total=row["minOrderTotal"],
        max_order_total=row["maxOrderTotal"],
        sort_order=row["sortOrder"],
    )
