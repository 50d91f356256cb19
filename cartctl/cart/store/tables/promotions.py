"""Promotions, where they are applied and how often they were used."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from cartctl.cart.enums import PromotionScope, PromotionType
from cartctl.cart.store.tables.base import OWN, STRICT, Base, cascade, restrict, set_null, unique
from cartctl.cart.store.tables.carts import NOW, ZERO


class PromotionRow(Base):
    """A discount code of a company and its terms."""

    __tablename__ = "promotions"

    id: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column("companyId", cascade("companies.id"))
    code: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    type: Mapped[PromotionType]
    scope: Mapped[PromotionScope]
    value: Mapped[Decimal]
    minimum_order_amount: Mapped[Decimal | None] = mapped_column("minimumOrderAmount")
    maximum_discount: Mapped[Decimal | None] = mapped_column("maximumDiscount")
    buy_quantity: Mapped[int | None] = mapped_column("buyQuantity")
    get_quantity: Mapped[int | None] = mapped_column("getQuantity")
    get_product_id: Mapped[str | None] = mapped_column("getProductId")
    max_uses_total: Mapped[int | None] = mapped_column("maxUsesTotal")
    max_uses_per_customer: Mapped[int | None] = mapped_column("maxUsesPerCustomer")
    current_uses: Mapped[int] = mapped_column("currentUses", server_default=ZERO)
    starts_at: Mapped[datetime] = mapped_column("startsAt")
    expires_at: Mapped[datetime | None] = mapped_column("expiresAt")
    targeting: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    is_active: Mapped[bool] = mapped_column("isActive", server_default=text("true"))
    priority: Mapped[int] = mapped_column(server_default=ZERO, info=OWN)
    stackable: Mapped[bool] = mapped_column(server_default=text("false"), info=OWN)
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        unique("companyId", "code"),
        unique(
            "companyId",
            text("upper(btrim(code))"),
            name="promotions_companyId_canonical_code_key",
            info=OWN,
        ),
        Index(None, "companyId", "isActive"),
        CheckConstraint(
            'value >= 0 AND "minimumOrderAmount" >= 0 AND "maximumDiscount" >= 0', name="money", info=STRICT
        ),
        CheckConstraint("type <> 'PERCENTAGE_OFF' OR value <= 100", name="percentage", info=STRICT),
        CheckConstraint('"currentUses" >= 0', name="currentUses", info=STRICT),
    )


class PromotionUsageRow(Base):
    """One use of a promotion, counted when its order was made."""

    __tablename__ = "promotion_usages"

    id: Mapped[str] = mapped_column(primary_key=True)
    promotion_id: Mapped[str] = mapped_column("promotionId", restrict("promotions.id"))
    cart_id: Mapped[str | None] = mapped_column("cartId")
    order_id: Mapped[str | None] = mapped_column("orderId")
    customer_id: Mapped[str | None] = mapped_column("customerId", set_null("customers.id"))
    discount_amount: Mapped[Decimal] = mapped_column("discountAmount")
    applied_at: Mapped[datetime] = mapped_column("appliedAt", server_default=NOW)

    __table_args__ = (
        unique("promotionId", "orderId", info=OWN),
        Index(None, "promotionId", "customerId"),
        Index(None, "customerId", info=OWN),
        CheckConstraint('"discountAmount" >= 0', name="money", info=STRICT),
    )


class CartPromotionRow(Base):
    """A promotion applied to a cart; the authority on what is applied."""

    __tablename__ = "cart_promotions"

    id: Mapped[str] = mapped_column(primary_key=True)
    cart_id: Mapped[str] = mapped_column("cartId", cascade("carts.id"))
    promotion_id: Mapped[str] = mapped_column("promotionId", cascade("promotions.id"))
    discount_amount: Mapped[Decimal] = mapped_column("discountAmount")
    applied_at: Mapped[datetime] = mapped_column("appliedAt", server_default=NOW)

    __table_args__ = (
        unique("cartId", "promotionId"),
        Index(None, "promotionId", info=OWN),
        CheckConstraint('"discountAmount" >= 0', name="money", info=STRICT),
    )
