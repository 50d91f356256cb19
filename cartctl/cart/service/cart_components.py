"""The conversion components of a cart on the platform's data (D13): urgency, scarcity, free shipping, upsell."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from cartctl.cart import components
from cartctl.cart.components import ShippingProgress, Urgency
from cartctl.cart.lifecycle.states import refuse_ended
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult
from cartctl.cart.pricing.shipping.zones import zone_for
from cartctl.cart.service.scope import Scope
from cartctl.cart.store.checkout.stored_cart import StoredCart, load_stored
from cartctl.cart.store.driver_errors import refuse_unstorable

ORDERS = 1000  # of the company, the latest ones: what is bought together changes, and the call stays fast

_TOGETHER = text(
    """
    WITH latest AS (
        SELECT id FROM carts WHERE "companyId" = :company AND "convertedAt" IS NOT NULL AND status = 'CONVERTED'
        ORDER BY "convertedAt" DESC, id DESC LIMIT :orders
    )
    SELECT array_agg(DISTINCT line."productId")
    FROM latest JOIN carts ON carts.id = latest.id JOIN cart_items AS line ON line."cartId" = carts.id
    WHERE line."giftPromotionId" IS NULL AND metadata ->> 'cancelledAt' IS NULL
    GROUP BY carts.id HAVING bool_or(line."productId" = ANY (:products))
    """
)


@dataclass(frozen=True, slots=True)
class CartComponents:
    """Conversion components; each is None or empty if nothing true can be shown (D13).

    `scarce` has the units left by product ID, for products in the cart of which few are left. `upsell` has product ids,
    the one bought most often with this cart's products first.
    """

    urgency: Urgency | None
    scarce: dict[str, int]
    shipping: ShippingProgress | None
    upsell: list[str]


def components_of(
    scope: Scope, cart_id: str, horizon: timedelta, few: int, suggestions: int
) -> CartComponents:
    """The four components of an open cart; nothing is written. Raises NotFound and CartNotActive."""
    refuse_unstorable(cartId=cart_id)
    stored = load_stored(scope.connection, scope.company_id, cart_id, locked=False)
    refuse_ended(stored.cart)
    request = stored.request(scope.connection, scope.now, scope.terms)
    priced = price(request)
    ends = _promotion_ends(request, priced)
    return CartComponents(
        urgency=components.urgency(scope.now, stored.cart.expires_at, ends, horizon),
        scarce=_scarce(request, few),
        shipping=_progress(request, priced),
        upsell=_upsell(scope, stored, suggestions),
    )


def _promotion_ends(request: PricingRequest, priced: PricingResult) -> dict[str, datetime]:
    """When the promotions end that give this cart something."""
    applied = {outcome.id for outcome in priced.promotions if outcome.applied}
    return {
        each.id: each.expires_at
        for each in request.promotions
        if each.id in applied and each.expires_at is not None
    }


def _scarce(request: PricingRequest, few: int) -> dict[str, int]:
    products = dict.fromkeys(line.product_id for line in request.lines)
    left = {product: components.scarcity(request.stock.get(product), few) for product in products}
    return {product: units for product, units in left.items() if units is not None}


def _progress(request: PricingRequest, priced: PricingResult) -> ShippingProgress | None:
    if not (request.shipping_required and request.lines):
        return None
    zone = zone_for(request.zones, request.ship_to)
    return components.shipping_progress(priced.subtotal - priced.discount_total, zone)


def _upsell(scope: Scope, stored: StoredCart, suggestions: int) -> list[str]:
    products = [item.product_id for item in stored.items]
    if not products or suggestions <= 0:
        return []
    limits = {"company": scope.company_id, "orders": ORDERS, "products": products}
    together = list(scope.connection.scalars(_TOGETHER, limits))
    return components.upsell(products, together, scope.terms.stock, suggestions)
