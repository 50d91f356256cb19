"""Every table of the cart in one metadata: what the frozen migrations make, said once more as models."""

from sqlalchemy import Table

from cartctl.schema.base import Base
from cartctl.schema.carts import Cart, CartItem, SavedCartItem
from cartctl.schema.charges import ShippingRule, ShippingZone, TaxRate
from cartctl.schema.lists import (
    CrossSiteSession,
    ProductComparison,
    ProductComparisonItem,
    Wishlist,
    WishlistItem,
)
from cartctl.schema.platform import COMPANIES
from cartctl.schema.promotions import CartPromotion, Promotion, PromotionUsage

__all__ = [
    "Base",
    "Cart",
    "CartItem",
    "CartPromotion",
    "CrossSiteSession",
    "ProductComparison",
    "ProductComparisonItem",
    "Promotion",
    "PromotionUsage",
    "SavedCartItem",
    "ShippingRule",
    "ShippingZone",
    "TaxRate",
    "Wishlist",
    "WishlistItem",
    "cart_tables",
]

METADATA = COMPANIES.metadata


def cart_tables() -> list[Table]:
    """The 14 tables, parents first; the platform's are left out."""
    return [table for table in METADATA.sorted_tables if "platform" not in table.info]
