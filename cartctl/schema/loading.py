"""Rows as the domain's values: a cart, and everything that its price depends on. Times are UTC without a zone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text

from cartctl.domain import cart as domain
from cartctl.domain.enums import (
    CartStatus,
    PromotionScope,
    PromotionType,
    ShippingRuleType,
    SiteType,
    TaxType,
)
from cartctl.domain.money import currency
from cartctl.domain.postal import Address
from cartctl.domain.promotions import Promotion as DomainPromotion
from cartctl.domain.request import Request
from cartctl.domain.tax import TaxMode, TaxRounding
from cartctl.domain.tax import TaxRate as DomainTaxRate
from cartctl.domain.zones import ShippingRule as DomainRule
from cartctl.domain.zones import ShippingZone as DomainZone
from cartctl.schema.documents import names, snapshot, targets, unit
from cartctl.schema.engine import Statement
from cartctl.schema.platform import PRODUCTS
from cartctl.schema.tables import (
    Cart,
    CartItem,
    CartPromotion,
    Promotion,
    PromotionUsage,
    ShippingRule,
    ShippingZone,
    TaxRate,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a price depends on and no table holds: how the company taxes, what it ships and what it has in stock.

    `stock` has units by product id; a product that is not in it is not counted.
    """

    tax_mode: TaxMode = TaxMode.EXCLUSIVE
    tax_rounding: TaxRounding = TaxRounding.PER_LINE
    tax_shipping: bool = False
    shipping_required: bool = False
    shipping_rule_id: str | None = None
    stock: Mapping[str, int] = field(default_factory=dict)


def load_cart(
    connection: Connection, company_id: str, cart_id: str, *, locked: bool = False
) -> domain.Cart | None:
    """A company's cart without its lines, its row locked until the transaction ends where asked for; None without one."""
    asked = select(Cart.__table__).where(Cart.company_id == company_id, Cart.id == cart_id)
    row = connection.execute(asked.with_for_update() if locked else asked).mappings().one_or_none()
    return None if row is None else _cart(row)


def load_items(connection: Connection, cart_id: str) -> tuple[domain.Item, ...]:
    """A cart's lines, in line order; category and weight are those of the product when it was put in."""
    asked = select(CartItem.__table__).where(CartItem.cart_id == cart_id)
    rows = connection.execute(asked.order_by(CartItem.added_at, CartItem.id)).mappings()
    return tuple(_item(row) for row in rows)


def load_request(connection: Connection, cart: domain.Cart, now: datetime, terms: Terms) -> Request:
    """Everything that a cart's price depends on, of its own company alone."""
    company, row = cart.company_id, _address_row(connection, cart.id)
    promotions = _rows(connection, _applied(cart))
    return Request(
        currency=currency(cart.currency),
        now=now,
        lines=domain.lines(load_items(connection, cart.id)),
        tax_mode=terms.tax_mode,
        tax_rounding=terms.tax_rounding,
        tax_shipping=terms.tax_shipping,
        company_id=company,
        customer_id=cart.customer_id,
        shipping_required=terms.shipping_required,
        shipping_rule_id=terms.shipping_rule_id,
        ship_to=_address(row),
        stock={**terms.stock, **_gone(connection, promotions)},
        promotions=tuple(_promotion(found) for found in promotions),
        tax_rates=tuple(_tax_rate(found) for found in _rows(connection, _active(TaxRate, company))),
        zones=_zones(connection, company) if terms.shipping_required else (),
        used=_used(connection, cart.customer_id, [found["id"] for found in promotions]),
    )


def _applied(cart: domain.Cart) -> Statement:
    return (
        select(Promotion.__table__)
        .join(CartPromotion, CartPromotion.promotion_id == Promotion.id)
        .where(CartPromotion.cart_id == cart.id, Promotion.company_id == cart.company_id)
    )


def _gone(connection: Connection, promotions: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Gifts that are no products any more, as products out of stock: nothing in the tables keeps a gift's product."""
    gifts = {row["getProductId"] for row in promotions if row["type"] is PromotionType.FREE_GIFT}
    if not gifts:
        return {}
    return dict.fromkeys(
        gifts - set(connection.scalars(select(PRODUCTS.c.id).where(PRODUCTS.c.id.in_(gifts)))), 0
    )


def _active(table: Any, company: str) -> Statement:
    return select(table.__table__).where(table.company_id == company, table.is_active)


def _rows(connection: Connection, asked: Statement) -> list[Mapping[str, Any]]:
    return [dict(row) for row in connection.execute(asked).mappings()]


def _address_row(connection: Connection, cart_id: str) -> Mapping[str, Any]:
    columns = (Cart.shipping_country, Cart.shipping_state, Cart.shipping_city, Cart.shipping_postal_code)
    return dict(connection.execute(select(*columns).where(Cart.id == cart_id)).mappings().one())


def _address(row: Mapping[str, Any]) -> Address | None:
    country, *rest = row.values()
    return Address(country, *rest) if country else None


def _used(connection: Connection, customer: str | None, promotions: Iterable[str]) -> dict[str, int]:
    """How often the customer has used each promotion."""
    ids = list(promotions)
    if customer is None or not ids:
        return {}
    asked = (
        select(PromotionUsage.promotion_id, func.count())
        .where(PromotionUsage.promotion_id.in_(ids), PromotionUsage.customer_id == customer)
        .group_by(PromotionUsage.promotion_id)
    )
    return {row[0]: row[1] for row in connection.execute(asked)}


def _zones(connection: Connection, company: str) -> tuple[DomainZone, ...]:
    rows = _rows(connection, _active(ShippingZone, company))
    rules = select(ShippingRule.__table__).where(
        ShippingRule.shipping_zone_id.in_([row["id"] for row in rows]), ShippingRule.is_active
    )
    by_zone: dict[str, list[DomainRule]] = {row["id"]: [] for row in rows}
    for found in _rows(connection, rules.order_by(text('"sortOrder", id'))):
        by_zone[found["shippingZoneId"]].append(_rule(found))
    return tuple(_zone(row, by_zone[row["id"]]) for row in rows)


def _cart(row: Mapping[Any, Any]) -> domain.Cart:
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
        order_id=row["orderId"],
        merged_into_cart_id=row["mergedIntoCartId"],
        merged_at=row["mergedAt"],
        recovery_email_sent=row["recoveryEmailSent"],
        recovery_email_sent_at=row["recoveryEmailSentAt"],
        recovery_clicks=row["recoveryClicks"],
    )


def _item(row: Mapping[Any, Any]) -> domain.Item:
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
    )


def _promotion(row: Mapping[str, Any]) -> DomainPromotion:
    products, categories = targets(row["targeting"])
    return DomainPromotion(
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


def _tax_rate(row: Mapping[str, Any]) -> DomainTaxRate:
    return DomainTaxRate(
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


def _zone(row: Mapping[str, Any], rules: Iterable[DomainRule]) -> DomainZone:
    return DomainZone(
        id=row["id"],
        created_at=row["createdAt"],
        name=row["name"],
        countries=tuple(row["countries"] or ()),
        states=tuple(row["states"] or ()),
        zip_codes=tuple(row["zipCodes"] or ()),
        priority=row["priority"],
        rules=tuple(rules),
    )


def _rule(row: Mapping[str, Any]) -> DomainRule:
    return DomainRule(
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
