"""Every table of the cart in one metadata: what the frozen migrations make, said once more as models."""

from sqlalchemy import Table

from cartctl.cart.store.tables.base import Base
from cartctl.cart.store.tables.carts import CartItemRow, CartRow, SavedCartItemRow
from cartctl.cart.store.tables.charges import ShippingRuleRow, ShippingZoneRow, TaxRateRow
from cartctl.cart.store.tables.lists import (
    CrossSiteSessionRow,
    ProductComparisonItemRow,
    ProductComparisonRow,
    WishlistItemRow,
    WishlistRow,
)
from cartctl.cart.store.tables.platform import COMPANIES
from cartctl.cart.store.tables.promotions import CartPromotionRow, PromotionRow, PromotionUsageRow

__all__ = [
    "Base",
    "CartItemRow",
    "CartPromotionRow",
    "CartRow",
    "CrossSiteSessionRow",
    "ProductComparisonItemRow",
    "ProductComparisonRow",
    "PromotionRow",
    "PromotionUsageRow",
    "SavedCartItemRow",
    "ShippingRuleRow",
    "ShippingZoneRow",
    "TaxRateRow",
    "WishlistItemRow",
    "WishlistRow",
    "cart_tables",
]

METADATA = COMPANIES.metadata


def cart_tables() -> list[Table]:
    """The 14 tables, parents first; without the platform's."""
    return [table for table in METADATA.sorted_tables if "platform" not in table.info]
