"""Carts, what is in them and what was saved for later."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.store.tables.base import OWN, STRICT, Base, cascade, restrict, set_null, unique

NOW = text("CURRENT_TIMESTAMP")
ZERO = text("0")


class CartRow(Base):
    """A shopper's cart; totals are the last calculation's."""

    __tablename__ = "carts"

    id: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column("companyId", cascade("companies.id"))
    site_id: Mapped[str | None] = mapped_column("siteId", set_null("sites.id"))
    customer_id: Mapped[str | None] = mapped_column("customerId", set_null("customers.id"))
    session_token: Mapped[str | None] = mapped_column("sessionToken")
    visitor_id: Mapped[str | None] = mapped_column("visitorId")
    status: Mapped[CartStatus] = mapped_column(server_default="ACTIVE")
    currency: Mapped[str] = mapped_column(server_default="USD")
    subtotal: Mapped[Decimal] = mapped_column(server_default=ZERO)
    discount_total: Mapped[Decimal] = mapped_column("discountTotal", server_default=ZERO)
    tax_total: Mapped[Decimal] = mapped_column("taxTotal", server_default=ZERO)
    shipping_total: Mapped[Decimal] = mapped_column("shippingTotal", server_default=ZERO)
    grand_total: Mapped[Decimal] = mapped_column("grandTotal", server_default=ZERO)
    item_count: Mapped[int] = mapped_column("itemCount", server_default=ZERO)
    discount_codes: Mapped[list[Any]] = mapped_column("discountCodes", server_default="[]")
    shipping_postal_code: Mapped[str | None] = mapped_column("shippingPostalCode")
    shipping_country: Mapped[str | None] = mapped_column("shippingCountry")
    shipping_state: Mapped[str | None] = mapped_column("shippingState", info=OWN)
    shipping_city: Mapped[str | None] = mapped_column("shippingCity", info=OWN)
    notes: Mapped[str | None]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", server_default="{}")
    utm_source: Mapped[str | None] = mapped_column("utmSource")
    utm_medium: Mapped[str | None] = mapped_column("utmMedium")
    utm_campaign: Mapped[str | None] = mapped_column("utmCampaign")
    recovery_email_sent: Mapped[bool] = mapped_column("recoveryEmailSent", server_default=text("false"))
    recovery_email_sent_at: Mapped[datetime | None] = mapped_column("recoveryEmailSentAt")
    recovery_clicks: Mapped[int] = mapped_column("recoveryClicks", server_default=ZERO)
    merged_into_cart_id: Mapped[str | None] = mapped_column("mergedIntoCartId")
    merged_at: Mapped[datetime | None] = mapped_column("mergedAt")
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")
    last_activity_at: Mapped[datetime] = mapped_column("lastActivityAt", server_default=NOW)
    expires_at: Mapped[datetime | None] = mapped_column("expiresAt")
    converted_at: Mapped[datetime | None] = mapped_column("convertedAt")
    abandoned_at: Mapped[datetime | None] = mapped_column("abandonedAt")
    order_id: Mapped[str | None] = mapped_column("orderId")
    site_type: Mapped[SiteType] = mapped_column("siteType", server_default="STOREFRONT", info=OWN)
    version: Mapped[int] = mapped_column(server_default=ZERO, info=OWN)

    __table_args__ = (
        unique("sessionToken"),
        unique("orderId"),
        Index(None, "companyId", "status"),
        Index(None, "companyId", "customerId"),
        Index(None, "companyId", "siteId", "status"),
        Index(None, "status", "expiresAt"),
        Index(None, "visitorId"),
        Index(None, "companyId", "lastActivityAt", "id", info=OWN),
        # What a company's figures look at is included, so that the largest company's are counted from the index alone.
        Index(
            None,
            *("companyId", "status", "lastActivityAt", "id"),
            postgresql_include=["currency", "grandTotal"],
            info=OWN,
        ),
        Index(
            None,
            *("companyId", "createdAt"),
            postgresql_include=[
                *("status", "currency", "siteType", "itemCount"),
                *("abandonedAt", "convertedAt", "recoveryEmailSentAt"),
            ],
            info=OWN,
        ),
        Index(
            None,
            *("companyId", "convertedAt"),
            postgresql_include=["currency", "siteType", "grandTotal"],
            info=OWN,
        ),
        Index(None, "siteId", info=OWN),
        Index(None, "customerId", info=OWN),
        Index(
            "idx_carts_recovery_candidates",
            *("companyId", "abandonedAt", "recoveryEmailSent"),
            postgresql_where=text("status = 'ABANDONED' AND \"recoveryEmailSent\" = false"),
        ),
        Index(
            "idx_carts_expiration",
            "expiresAt",
            postgresql_where=text("status = 'ACTIVE' AND \"expiresAt\" IS NOT NULL"),
        ),
        CheckConstraint(
            'subtotal >= 0 AND "discountTotal" >= 0 AND "taxTotal" >= 0 AND "shippingTotal" >= 0 AND "grandTotal" >= 0',
            name="money",
            info=STRICT,
        ),
        CheckConstraint('"mergedIntoCartId" <> id', name="mergedIntoCartId", info=STRICT),
    )


class CartItemRow(Base):
    """A line of a cart, priced when it was last calculated."""

    __tablename__ = "cart_items"

    id: Mapped[str] = mapped_column(primary_key=True)
    cart_id: Mapped[str] = mapped_column("cartId", cascade("carts.id"))
    product_id: Mapped[str] = mapped_column("productId", restrict("products.id"))
    variant_id: Mapped[str | None] = mapped_column("variantId")
    product_snapshot: Mapped[dict[str, Any]] = mapped_column("productSnapshot")
    quantity: Mapped[int] = mapped_column(server_default=text("1"))
    unit_price: Mapped[Decimal] = mapped_column("unitPrice")
    original_price: Mapped[Decimal] = mapped_column("originalPrice")
    discount_amount: Mapped[Decimal] = mapped_column("discountAmount", server_default=ZERO)
    line_total: Mapped[Decimal] = mapped_column("lineTotal")
    custom_fields: Mapped[dict[str, Any]] = mapped_column("customFields", server_default="{}")
    gift_message: Mapped[str | None] = mapped_column("giftMessage")
    is_gift: Mapped[bool] = mapped_column("isGift", server_default=text("false"))  # gift wrap
    gift_promotion_id: Mapped[str | None] = mapped_column("giftPromotionId", info=OWN)
    added_at: Mapped[datetime] = mapped_column("addedAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        Index(None, "cartId"),
        Index(None, "productId"),
        CheckConstraint(
            '"unitPrice" >= 0 AND "originalPrice" >= 0 AND "discountAmount" >= 0 AND "lineTotal" >= 0',
            name="money",
            info=STRICT,
        ),
        CheckConstraint("quantity >= 1", name="quantity", info=STRICT),
    )


class SavedCartItemRow(Base):
    """A line saved for later, at the price it had then."""

    __tablename__ = "saved_cart_items"

    id: Mapped[str] = mapped_column(primary_key=True)
    cart_id: Mapped[str] = mapped_column("cartId", cascade("carts.id"))
    product_id: Mapped[str] = mapped_column("productId", restrict("products.id"))
    variant_id: Mapped[str | None] = mapped_column("variantId")
    quantity: Mapped[int] = mapped_column(server_default=text("1"))
    price_at_save: Mapped[Decimal] = mapped_column("priceAtSave")
    saved_at: Mapped[datetime] = mapped_column("savedAt", server_default=NOW)

    __table_args__ = (
        unique("cartId", "productId", "variantId"),
        Index(None, "productId", info=OWN),
        CheckConstraint('"priceAtSave" >= 0', name="money", info=STRICT),
        CheckConstraint("quantity >= 1", name="quantity", info=STRICT),
        unique("cartId", "productId", postgresql_where=text('"variantId" IS NULL'), info=STRICT),
    )
