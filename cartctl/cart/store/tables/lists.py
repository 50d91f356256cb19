"""Wishlists, product comparisons, and the sessions that carry them from site to site."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cartctl.cart.enums import CrossSiteSessionStatus
from cartctl.cart.store.tables.base import OWN, STRICT, Base, cascade, restrict, set_null, unique
from cartctl.cart.store.tables.carts import NOW, ZERO


class WishlistRow(Base):
    """A named list of wishes, of a customer or a visitor's session."""

    __tablename__ = "wishlists"

    id: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column("companyId", cascade("companies.id"))
    site_id: Mapped[str | None] = mapped_column("siteId", set_null("sites.id"))
    customer_id: Mapped[str | None] = mapped_column("customerId", set_null("customers.id"))
    session_token: Mapped[str | None] = mapped_column("sessionToken")
    name: Mapped[str] = mapped_column(server_default="My Wishlist")
    is_public: Mapped[bool] = mapped_column("isPublic", server_default=text("false"))
    shared_url: Mapped[str | None] = mapped_column("sharedUrl")
    item_count: Mapped[int] = mapped_column("itemCount", server_default=ZERO)
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        unique("sessionToken"),
        unique("sharedUrl"),
        Index(None, "companyId", info=OWN),
        Index(None, "siteId", info=OWN),
        Index(None, "customerId", info=OWN),
    )


class WishlistItemRow(Base):
    """A product on a wishlist."""

    __tablename__ = "wishlist_items"

    id: Mapped[str] = mapped_column(primary_key=True)
    wishlist_id: Mapped[str] = mapped_column("wishlistId", cascade("wishlists.id"))
    product_id: Mapped[str] = mapped_column("productId", restrict("products.id"))
    variant_id: Mapped[str | None] = mapped_column("variantId")
    product_snapshot: Mapped[dict[str, Any]] = mapped_column("productSnapshot")
    priority: Mapped[int] = mapped_column(server_default=text("100"))
    notes: Mapped[str | None]
    added_at: Mapped[datetime] = mapped_column("addedAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        unique("wishlistId", "productId", "variantId"),
        Index(None, "productId", info=OWN),
        unique("wishlistId", "productId", postgresql_where=text('"variantId" IS NULL'), info=STRICT),
    )


class ProductComparisonRow(Base):
    """Products somebody looks at side by side."""

    __tablename__ = "product_comparisons"

    id: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column("companyId", cascade("companies.id"))
    site_id: Mapped[str | None] = mapped_column("siteId", set_null("sites.id"))
    customer_id: Mapped[str | None] = mapped_column("customerId", set_null("customers.id"))
    session_token: Mapped[str | None] = mapped_column("sessionToken")
    visitor_id: Mapped[str | None] = mapped_column("visitorId")
    name: Mapped[str | None]
    share_token: Mapped[str | None] = mapped_column("shareToken")
    is_shared: Mapped[bool] = mapped_column("isShared", server_default=text("false"))
    shared_at: Mapped[datetime | None] = mapped_column("sharedAt")
    expires_at: Mapped[datetime | None] = mapped_column("expiresAt")
    merged_into_comparison_id: Mapped[str | None] = mapped_column("mergedIntoComparisonId")
    merged_at: Mapped[datetime | None] = mapped_column("mergedAt")
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        unique("sessionToken"),
        unique("shareToken"),
        Index(None, "companyId", info=OWN),
        Index(None, "siteId", info=OWN),
        Index(None, "customerId", info=OWN),
    )


class ProductComparisonItemRow(Base):
    """A product in a comparison."""

    __tablename__ = "product_comparison_items"

    id: Mapped[str] = mapped_column(primary_key=True)
    comparison_id: Mapped[str] = mapped_column("comparisonId", cascade("product_comparisons.id"))
    product_id: Mapped[str] = mapped_column("productId", restrict("products.id"))
    variant_id: Mapped[str | None] = mapped_column("variantId")
    product_snapshot: Mapped[dict[str, Any]] = mapped_column("productSnapshot")
    position: Mapped[int] = mapped_column(server_default=ZERO)
    added_at: Mapped[datetime] = mapped_column("addedAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        unique("comparisonId", "productId", "variantId"),
        Index(None, "productId", info=OWN),
        unique("comparisonId", "productId", postgresql_where=text('"variantId" IS NULL'), info=STRICT),
    )


class CrossSiteSessionRow(Base):
    """A visitor's session across the sites of a company."""

    __tablename__ = "cross_site_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column("companyId", cascade("companies.id"))
    session_token: Mapped[str] = mapped_column("sessionToken")
    visitor_id: Mapped[str | None] = mapped_column("visitorId")
    customer_id: Mapped[str | None] = mapped_column("customerId", set_null("customers.id"))
    status: Mapped[CrossSiteSessionStatus] = mapped_column(server_default="ACTIVE")
    data_references: Mapped[list[Any]] = mapped_column("dataReferences", server_default="[]")
    device_info: Mapped[dict[str, Any] | None] = mapped_column("deviceInfo")
    first_seen_at: Mapped[datetime] = mapped_column("firstSeenAt", server_default=NOW)
    last_active_at: Mapped[datetime] = mapped_column("lastActiveAt", server_default=NOW)
    expires_at: Mapped[datetime] = mapped_column("expiresAt")
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        unique("sessionToken"),
        Index(None, "companyId", info=OWN),
        Index(None, "customerId", info=OWN),
        Index(
            "idx_cross_site_sessions_cleanup",
            "expiresAt",
            postgresql_where=text("status = 'ACTIVE'"),
        ),
    )
