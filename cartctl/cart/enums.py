"""The seven closed vocabularies of the cart. The order of members is the order of the database's enum labels."""

from enum import StrEnum


class CartStatus(StrEnum):
    """The state of a cart."""

    ACTIVE = "ACTIVE"
    CONVERTED = "CONVERTED"
    ABANDONED = "ABANDONED"
    MERGED = "MERGED"
    EXPIRED = "EXPIRED"


class SiteType(StrEnum):
    """What kind of site a cart was filled on."""

    STOREFRONT = "STOREFRONT"
    FUNNEL = "FUNNEL"
    TRIAL = "TRIAL"
    MARKETPLACE = "MARKETPLACE"
    B2B_PORTAL = "B2B_PORTAL"


class CrossSiteSessionStatus(StrEnum):
    """Whether a session that spans sites may still be used."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    MERGED = "MERGED"
    REVOKED = "REVOKED"


class PromotionType(StrEnum):
    """What a promotion gives."""

    PERCENTAGE_OFF = "PERCENTAGE_OFF"
    FIXED_AMOUNT_OFF = "FIXED_AMOUNT_OFF"
    BUY_X_GET_Y = "BUY_X_GET_Y"
    FREE_SHIPPING = "FREE_SHIPPING"
    FREE_GIFT = "FREE_GIFT"


class PromotionScope(StrEnum):
    """What a promotion applies to."""

    CART = "CART"
    PRODUCT = "PRODUCT"
    CATEGORY = "CATEGORY"
    SHIPPING = "SHIPPING"


class TaxType(StrEnum):
    """Which tax a rate belongs to."""

    SALES_TAX = "SALES_TAX"
    VAT = "VAT"
    GST = "GST"
    HST = "HST"
    PST = "PST"
    CONSUMPTION = "CONSUMPTION"


class ShippingRuleType(StrEnum):
    """How a shipping rule calculates its price."""

    FLAT_RATE = "FLAT_RATE"
    PER_ITEM = "PER_ITEM"
    WEIGHT_BASED = "WEIGHT_BASED"
    PRICE_BASED = "PRICE_BASED"
    FREE = "FREE"
    CALCULATED = "CALCULATED"
