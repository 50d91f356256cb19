"""Tax rates, and the zones and rules that price shipping."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.dialects.postgresql import NUMERIC
from sqlalchemy.orm import Mapped, mapped_column

from cartctl.cart.enums import ShippingRuleType, TaxType
from cartctl.cart.store.tables.base import OWN, STRICT, Base, cascade
from cartctl.cart.store.tables.carts import NOW, ZERO

WEIGHT: NUMERIC[Decimal] = NUMERIC(10, 3)


class TaxRateRow(Base):
    """A tax where it applies; `rate` is a fraction."""

    __tablename__ = "tax_rates"

    id: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column("companyId", cascade("companies.id"))
    country: Mapped[str]
    state: Mapped[str | None]
    city: Mapped[str | None]
    zip_code: Mapped[str | None] = mapped_column("zipCode")
    tax_type: Mapped[TaxType] = mapped_column("taxType")
    name: Mapped[str]
    rate: Mapped[Decimal] = mapped_column(NUMERIC(9, 6))
    is_compound: Mapped[bool] = mapped_column("isCompound", server_default=text("false"))
    priority: Mapped[int] = mapped_column(server_default=ZERO)
    exempt_categories: Mapped[list[Any]] = mapped_column("exemptCategories", server_default="[]")
    is_active: Mapped[bool] = mapped_column("isActive", server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        Index(None, "companyId", "country", "state"),
        CheckConstraint("rate >= 0 AND rate <= 1", name="rate", info=STRICT),
    )


class ShippingZoneRow(Base):
    """Where a set of shipping rules applies; an empty or missing list matches everywhere."""

    __tablename__ = "shipping_zones"

    id: Mapped[str] = mapped_column(primary_key=True)
    company_id: Mapped[str] = mapped_column("companyId", cascade("companies.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    countries: Mapped[list[str] | None]
    states: Mapped[list[str] | None]
    zip_codes: Mapped[list[str] | None] = mapped_column("zipCodes")
    priority: Mapped[int] = mapped_column(server_default=ZERO)
    is_active: Mapped[bool] = mapped_column("isActive", server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (Index(None, "companyId", info=OWN),)


class ShippingRuleRow(Base):
    """A way to ship within a zone, and its price."""

    __tablename__ = "shipping_rules"

    id: Mapped[str] = mapped_column(primary_key=True)
    shipping_zone_id: Mapped[str] = mapped_column("shippingZoneId", cascade("shipping_zones.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    carrier: Mapped[str | None]
    service_code: Mapped[str | None] = mapped_column("serviceCode")
    type: Mapped[ShippingRuleType]
    base_rate: Mapped[Decimal] = mapped_column("baseRate")
    per_item_rate: Mapped[Decimal | None] = mapped_column("perItemRate")
    per_weight_unit_rate: Mapped[Decimal | None] = mapped_column("perWeightUnitRate")
    weight_unit: Mapped[str] = mapped_column("weightUnit", server_default="lb")
    free_shipping_threshold: Mapped[Decimal | None] = mapped_column("freeShippingThreshold")
    min_weight: Mapped[Decimal | None] = mapped_column("minWeight", WEIGHT)
    max_weight: Mapped[Decimal | None] = mapped_column("maxWeight", WEIGHT)
    min_order_total: Mapped[Decimal | None] = mapped_column("minOrderTotal")
    max_order_total: Mapped[Decimal | None] = mapped_column("maxOrderTotal")
    estimated_days_min: Mapped[int | None] = mapped_column("estimatedDaysMin")
    estimated_days_max: Mapped[int | None] = mapped_column("estimatedDaysMax")
    sort_order: Mapped[int] = mapped_column("sortOrder", server_default=ZERO)
    is_active: Mapped[bool] = mapped_column("isActive", server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column("createdAt", server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column("updatedAt")

    __table_args__ = (
        Index(None, "shippingZoneId", info=OWN),
        CheckConstraint(
            '"baseRate" >= 0 AND "perItemRate" >= 0 AND "perWeightUnitRate" >= 0'
            ' AND "freeShippingThreshold" >= 0 AND "minOrderTotal" >= 0 AND "maxOrderTotal" >= 0',
            name="money",
            info=STRICT,
        ),
        CheckConstraint('"minWeight" < "maxWeight"', name="weight", info=STRICT),
        CheckConstraint('"minOrderTotal" < "maxOrderTotal"', name="orderTotal", info=STRICT),
        CheckConstraint(
            '"estimatedDaysMin" <= "estimatedDaysMax"', name="estimatedDays", info=STRICT
        ),  # "3 days" is honest
    )
