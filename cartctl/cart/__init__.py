"""The cart library: prices, life cycle, statistics and storage of e-commerce carts on PostgreSQL.

It imports nothing else of the package. Its public names are those of `__all__`; each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cartctl.cart.analytics import Overview, Period, by_site_type, overview
    from cartctl.cart.components import (
        ShippingProgress,
        Urgency,
        scarcity,
        shipping_progress,
        upsell,
        urgency,
    )
    from cartctl.cart.enums import (
        CartStatus,
        CrossSiteSessionStatus,
        PromotionScope,
        PromotionType,
        ShippingRuleType,
        SiteType,
        TaxType,
    )
    from cartctl.cart.errors import (
        CartChanged,
        CartError,
        CartNotActive,
        CodeRequiresLogin,
        ConversionBlocked,
        CurrencyMismatch,
        DiscountLost,
        GiftFixed,
        InputError,
        KeyReused,
        LimitReached,
        ListFull,
        MergeRefused,
        NotFound,
        OrderConflict,
        OutOfRange,
        PaymentInFlight,
        RuleBroken,
        SchemaUnsupported,
        SessionNotActive,
        TotalChanged,
        TransitionInvalid,
        TryAgain,
        VersionConflict,
    )
    from cartctl.cart.lifecycle.cart import Cart, Item, SavedItem
    from cartctl.cart.lifecycle.lists import Compared, Wish
    from cartctl.cart.lifecycle.merge import MergeClaim, Merged, Quantities, merge
    from cartctl.cart.lifecycle.payment import (
        AcceptedLine,
        AcceptedQuote,
        AgreedTotal,
        Payment,
        accepted_quote,
    )
    from cartctl.cart.pricing.calculation import price
    from cartctl.cart.pricing.line import Line
    from cartctl.cart.pricing.money import Currency, currency
    from cartctl.cart.pricing.places.address import Address
    from cartctl.cart.pricing.pricing_request import PricingRequest
    from cartctl.cart.pricing.pricing_result import PricingResult
    from cartctl.cart.pricing.promotions.codes import canonical_code
    from cartctl.cart.pricing.promotions.promotion import Promotion, Reason
    from cartctl.cart.pricing.quote import Quote, quote
    from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone
    from cartctl.cart.pricing.tax.rates import TaxMode, TaxRate, TaxRounding
    from cartctl.cart.quote_document.document_reader import quote_schema, read_quote
    from cartctl.cart.service.cart_components import CartComponents
    from cartctl.cart.service.changes import CartView
    from cartctl.cart.service.interoperability import MissingFeature, missing_features
    from cartctl.cart.service.lines import NewLine
    from cartctl.cart.service.lists import ListOwner
    from cartctl.cart.service.service import CartService
    from cartctl.cart.store.cart_statistics import StatsReport, report
    from cartctl.cart.store.checkout.payments import end_payment, start_payment
    from cartctl.cart.store.checkout.unsold_lines import UnsoldLine, unsold_lines
    from cartctl.cart.store.conversion import Converted, cancel, convert
    from cartctl.cart.store.daily_statistics import DailyFigures, daily_figures
    from cartctl.cart.store.loading import PricingTerms
    from cartctl.cart.store.repositories import CartFilter, CartOrder, Carts, PageKey
    from cartctl.cart.store.sql_engine import connect, over

_MODULES: Final = {
    "analytics": ("Overview", "Period", "by_site_type", "overview"),
    "components": ("ShippingProgress", "Urgency", "scarcity", "shipping_progress", "upsell", "urgency"),
    "enums": (
        *("CartStatus", "CrossSiteSessionStatus", "PromotionScope", "PromotionType"),
        *("ShippingRuleType", "SiteType", "TaxType"),
    ),
    "errors": (
        *(
            "CartChanged",
            "CartError",
            "CartNotActive",
            "CodeRequiresLogin",
            "ConversionBlocked",
            "CurrencyMismatch",
        ),
        *("DiscountLost", "GiftFixed", "InputError", "KeyReused", "LimitReached", "ListFull"),
        *("MergeRefused", "NotFound", "OrderConflict", "OutOfRange", "PaymentInFlight", "RuleBroken"),
        *(
            "SchemaUnsupported",
            "SessionNotActive",
            "TotalChanged",
            "TransitionInvalid",
            "TryAgain",
            "VersionConflict",
        ),
    ),
    "lifecycle.cart": ("Cart", "Item", "SavedItem"),
    "lifecycle.lists": ("Compared", "Wish"),
    "lifecycle.merge": ("MergeClaim", "Merged", "Quantities", "merge"),
    "lifecycle.payment": ("AcceptedLine", "AcceptedQuote", "AgreedTotal", "Payment", "accepted_quote"),
    "pricing.calculation": ("price",),
    "pricing.line": ("Line",),
    "pricing.money": ("Currency", "currency"),
    "pricing.places.address": ("Address",),
    "pricing.pricing_request": ("PricingRequest",),
    "pricing.pricing_result": ("PricingResult",),
    "pricing.promotions.codes": ("canonical_code",),
    "pricing.promotions.promotion": ("Promotion", "Reason"),
    "pricing.quote": ("Quote", "quote"),
    "pricing.shipping.zones": ("ShippingRule", "ShippingZone"),
    "pricing.tax.rates": ("TaxMode", "TaxRate", "TaxRounding"),
    "quote_document.document_reader": ("quote_schema", "read_quote"),
    "service.cart_components": ("CartComponents",),
    "service.changes": ("CartView",),
    "service.interoperability": ("MissingFeature", "missing_features"),
    "service.lines": ("NewLine",),
    "service.lists": ("ListOwner",),
    "service.service": ("CartService",),
    "store.checkout.payments": ("end_payment", "start_payment"),
    "store.checkout.unsold_lines": ("UnsoldLine", "unsold_lines"),
    "store.conversion": ("Converted", "cancel", "convert"),
    "store.daily_statistics": ("DailyFigures", "daily_figures"),
    "store.loading": ("PricingTerms",),
    "store.repositories": ("CartFilter", "CartOrder", "Carts", "PageKey"),
    "store.sql_engine": ("connect", "over"),
    "store.cart_statistics": ("StatsReport", "report"),
}
_MODULE_OF: Final = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AcceptedLine",
    "AcceptedQuote",
    "Address",
    "AgreedTotal",
    "Cart",
    "CartChanged",
    "CartComponents",
    "CartError",
    "CartFilter",
    "CartNotActive",
    "CartOrder",
    "CartService",
    "CartStatus",
    "CartView",
    "Carts",
    "CodeRequiresLogin",
    "Compared",
    "ConversionBlocked",
    "Converted",
    "CrossSiteSessionStatus",
    "Currency",
    "CurrencyMismatch",
    "DailyFigures",
    "DiscountLost",
    "GiftFixed",
    "InputError",
    "Item",
    "KeyReused",
    "LimitReached",
    "Line",
    "ListFull",
    "ListOwner",
    "MergeClaim",
    "MergeRefused",
    "Merged",
    "MissingFeature",
    "NewLine",
    "NotFound",
    "OrderConflict",
    "OutOfRange",
    "Overview",
    "PageKey",
    "Payment",
    "PaymentInFlight",
    "Period",
    "PricingRequest",
    "PricingResult",
    "PricingTerms",
    "Promotion",
    "PromotionScope",
    "PromotionType",
    "Quantities",
    "Quote",
    "Reason",
    "RuleBroken",
    "SavedItem",
    "SchemaUnsupported",
    "SessionNotActive",
    "ShippingProgress",
    "ShippingRule",
    "ShippingRuleType",
    "ShippingZone",
    "SiteType",
    "StatsReport",
    "TaxMode",
    "TaxRate",
    "TaxRounding",
    "TaxType",
    "TotalChanged",
    "TransitionInvalid",
    "TryAgain",
    "UnsoldLine",
    "Urgency",
    "VersionConflict",
    "Wish",
    "accepted_quote",
    "by_site_type",
    "cancel",
    "canonical_code",
    "connect",
    "convert",
    "currency",
    "daily_figures",
    "end_payment",
    "merge",
    "missing_features",
    "over",
    "overview",
    "price",
    "quote",
    "quote_schema",
    "read_quote",
    "report",
    "scarcity",
    "shipping_progress",
    "start_payment",
    "unsold_lines",
    "upsell",
    "urgency",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
