"""The conversion components of stored carts (D13), on a real PostgreSQL: only what is true is shown."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from cartctl.cart.components import ShippingProgress, Urgency
from cartctl.cart.errors import CartNotActive, NotFound
from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.service.cart_components import CartComponents
from cartctl.cart.service.lines import NewLine
from cartctl.cart.service.service import CartService
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.sql_engine import naive
from tests.cart.store.shop import HOUR, NOW, Shop

MUG = NewLine("mug", Decimal(20))
STOCK = {"mug": 9, "tea": 9, "jar": 9, "pot": 9, "lid": 0}


@pytest.fixture
def counting(shop: Shop) -> CartService:
    """The shop's service with more products, of which it counts the stock."""
    shop.run(
        """INSERT INTO products (id, "companyId", name, category, price)
           SELECT id, 'shop', id, 'kitchen', 5 FROM unnest(ARRAY['tea', 'jar', 'pot', 'lid', 'own']) AS id"""
    )
    return CartService(shop.engine, "shop", clock=lambda: NOW, terms=PricingTerms(stock=STOCK))


def cart_with(service: CartService, *products: str) -> str:
    """A cart with some products, shipped to the US; gives its id."""
    cart = service.open_cart("USD")
    service.set_address(cart.id, Address("US", "CA"))
    for product in products:
        service.add_line(cart.id, replace(MUG, product_id=product))
    return cart.id


def order(service: CartService, name: str, *products: str) -> None:
    """An order with some products."""
    cart = cart_with(service, *products)
    service.convert(cart, name, AgreedTotal(Decimal(22 * len(products)), "USD"))


def test_an_empty_cart_has_nothing_to_show(counting: CartService) -> None:
    """Without lines, a near end or a threshold there is no component at all."""
    assert counting.components(cart_with(counting)) == CartComponents(None, {}, None, [])


def test_urgency_is_the_end_of_what_the_cart_has(counting: CartService, shop: Shop) -> None:
    """The end of a promotion that gives something, or of the cart; none beyond the horizon, none of other promotions."""
    shop.promotion("soon", expiresAt=naive(NOW + 2 * HOUR))
    shop.promotion("idle", expiresAt=naive(NOW + HOUR), minimumOrderAmount=900)
    cart = cart_with(counting, "mug")
    for code in ("SOON", "IDLE"):
        counting.apply_code(cart, code)
    assert counting.components(cart).urgency == Urgency(naive(NOW + 2 * HOUR), 2 * HOUR, "soon")
    assert counting.components(cart, horizon=HOUR).urgency is None
    counting.remove_code(cart, "SOON")
    assert counting.components(cart).urgency is None
    shop.run(f"UPDATE carts SET \"expiresAt\" = '{naive(NOW + timedelta(minutes=5))}'")
    assert counting.components(cart).urgency == Urgency(naive(NOW + HOUR / 12), HOUR / 12, None)


def test_scarcity_is_what_stock_has(shop: Shop) -> None:
    """Few units are shown as they are; a product that is not counted is never scarce."""
    for left, scarce in ((None, {}), (6, {}), (3, {"mug": 3}), (0, {"mug": 0})):
        terms = PricingTerms(stock={} if left is None else {"mug": left})
        service = CartService(shop.engine, "shop", clock=lambda: NOW, terms=terms)
        assert service.components(cart_with(service, "mug")).scarce == scarce
    assert service.components(cart_with(service, "mug"), few=-1).scarce == {}


def test_progress_is_measured_after_discounts(counting: CartService, shop: Shop) -> None:
    """What is missing to the zone's lowest threshold, on what the lines still cost; none where nothing is shipped."""
    shop.run('UPDATE shipping_rules SET type = \'FLAT_RATE\', "baseRate" = 5, "freeShippingThreshold" = 50')
    shop.promotion("ten")
    cart = cart_with(counting, "mug", "tea")
    counting.apply_code(cart, "TEN")
    assert counting.components(cart).shipping == ShippingProgress(Decimal(50), Decimal(14))
    counting.add_line(cart, MUG)
    assert counting.components(cart).shipping == ShippingProgress(Decimal(50), Decimal(0))
    service = CartService(shop.engine, "shop", clock=lambda: NOW, terms=PricingTerms(shipping_required=False))
    assert service.components(cart).shipping is None


def test_upsell_is_what_orders_have_together(counting: CartService, shop: Shop) -> None:
    """Most often bought first, then by id; not of cancelled orders, gifts or open carts; nothing without stock."""
    shop.promotion("gift", type="FREE_GIFT", value=0, getProductId="jar")
    order(counting, "o1", "mug", "tea", "pot")
    order(counting, "o2", "mug", "tea")
    order(counting, "o3", "tea", "jar")
    order(counting, "o4", "mug", "jar")
    counting.cancel("o4")
    gift = cart_with(counting, "mug")
    counting.apply_code(gift, "GIFT")
    counting.convert(gift, "o5", AgreedTotal(Decimal(22), "USD"))
    cart_with(counting, "mug", "jar")
    shop.run("INSERT INTO cart_items SELECT (jsonb_populate_record(line, jsonb_build_object('id', 'x' || p, 'productId', p))).*"
             " FROM cart_items AS line, unnest(ARRAY['lid', 'own']) AS p WHERE line.\"productId\" = 'pot'")  # fmt: skip
    cart = cart_with(counting, "mug")
    assert counting.components(cart).upsell == ["tea", "pot"]
    assert counting.components(cart, suggestions=1).upsell == ["tea"]
    assert counting.components(cart, suggestions=0).upsell == []


def test_ended_and_foreign_carts_have_none(counting: CartService, shop: Shop) -> None:
    """Nothing helps to decide what is decided; another company's cart is not found."""
    order(counting, "o1", "mug")
    [(cart,)] = shop.all("SELECT id FROM carts")
    with pytest.raises(CartNotActive):
        counting.components(cart)
    with pytest.raises(NotFound):
        CartService(shop.engine, "other").components(cart)
