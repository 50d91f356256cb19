"""Rows as other writers of the same database leave them: priced, counted or refused by a rule, never a failure inside."""

from decimal import Decimal
from typing import Any

import pytest

from cartctl.cart.analytics import Period
from cartctl.cart.errors import ConversionBlocked, InputError
from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.store import cart_statistics
from cartctl.cart.store.conversion import convert
from cartctl.cart.store.loading import PricingTerms
from tests.cart.store.shop import HOUR, NOTHING, NOW, Shop


def total(
    shop: Shop, *, snapshot: str = "", shipped: bool = False, agreed: AgreedTotal | None = None, **cart: Any
) -> Decimal:
    """What a cart with a mug for 20.00 and a tenth of tax is converted at, with what applies to it."""
    made = shop.cart(customerId="ada", **cart)
    if snapshot:
        shop.run(f"UPDATE cart_items SET \"productSnapshot\" = '{snapshot}' WHERE \"cartId\" = '{made}'")
    for (promotion,) in shop.all("SELECT id FROM promotions"):
        shop.apply(promotion, made)
    terms = PricingTerms(shipping_required=shipped)
    total = agreed or shop.total(made, terms)
    return shop.do(lambda c: convert(c, "shop", made, f"order-{made}", total, NOW, terms)).grand_total


def test_targets_that_name_nothing_mean_every_line(shop: Shop) -> None:
    """D4: null is as good as an empty list."""
    shop.promotion("ten")
    for targeting in ("null", "[]", '{"productIds": null}', '{"categoryIds": [], "sku": 1}'):
        shop.run(f"UPDATE promotions SET targeting = '{targeting}'")
        assert total(shop) == Decimal("19.80"), targeting


def test_targets_that_cannot_be_read_mean_no_line(shop: Shop) -> None:
    """D4: terms that nobody understands give nothing away."""
    shop.promotion("ten")
    for targeting in ('"all"', "[1]", '{"productIds": {"mug": true}}', '{"categoryIds": [["kitchen"]]}'):
        shop.run(f"UPDATE promotions SET targeting = '{targeting}'")
        with pytest.raises(ConversionBlocked, match="NO_ELIGIBLE_LINE"):
            total(shop, agreed=AgreedTotal(Decimal("19.80"), "USD"))


def test_exempt_categories_that_are_no_list_exempt_nothing_by_chance(shop: Shop) -> None:
    """D8: a category is exempt where it is named, and the tax is taken where nothing is."""
    for exempt, expected in (("null", 22), ('"kitchen"', 20), ("{}", 22), ("[null, 7]", 22)):
        shop.run(f"UPDATE tax_rates SET \"exemptCategories\" = '{exempt}'")
        assert total(shop) == Decimal(expected), exempt


SNAPSHOTS = (
    '{"weight": null, "weightUnit": null}',
    '{"weight": "heavy"}',
    '{"weight": -1}',
    '{"weight": "NaN"}',
    '{"category": ["kitchen"]}',
    '"Mug"',
)


def test_a_snapshot_that_says_nothing_of_use_weighs_nothing(shop: Shop) -> None:
    """D8: what a product's snapshot does not tell as it should is not known of it."""
    shop.insert("shipping_zones", id="z", companyId="shop", name="Z", updatedAt=NOW.replace(tzinfo=None))
    rule(shop, "r", "WEIGHT_BASED", perWeightUnitRate=9)
    for snapshot in SNAPSHOTS:
        assert total(shop, snapshot=snapshot, shipped=True) == Decimal("24.00"), snapshot


def rule(shop: Shop, name: str, kind: str, **given: Any) -> None:
    """A shipping rule for 2.00."""
    known = {"shippingZoneId": "z", "name": name, "baseRate": 2, "updatedAt": NOW.replace(tzinfo=None)}
    shop.insert("shipping_rules", id=name, type=kind, **{**known, **given})


def test_a_rule_in_a_unit_that_is_none_is_offered_where_no_weight_counts(shop: Shop) -> None:
    """D8: a flat rate ships in whatever unit it is entered, a rule by weight only in one that is known."""
    shop.insert("shipping_zones", id="z", companyId="shop", name="Z", updatedAt=NOW.replace(tzinfo=None))
    rule(shop, "by-weight", "WEIGHT_BASED", baseRate=1, weightUnit="stone")
    rule(shop, "light", "FLAT_RATE", baseRate=1, maxWeight=9, weightUnit="stone")
    rule(shop, "flat", "FLAT_RATE", weightUnit="stone")
    assert total(shop, shipped=True) == Decimal("24.00")
    rule(shop, "capitals", "FLAT_RATE", baseRate=1, maxWeight=9, weightUnit=" KG")
    assert total(shop, shipped=True) == Decimal("23.00")


def test_codes_are_a_cache_that_no_price_depends_on(shop: Shop) -> None:
    """The applied promotions count, whatever stands in discountCodes."""
    for codes in ("null", '"TEN"', '{"a": 1}', "[1, null]"):
        assert total(shop, discountCodes=codes) == Decimal("22.00"), codes


def test_a_price_finer_than_the_currency_is_refused(shop: Shop) -> None:
    """D2: half a yen is no price: the cart is refused by the line, not rounded."""
    cart = shop.cart(currency="JPY", itemCount=0)
    shop.line(cart, unitPrice=Decimal("100.50"))
    with pytest.raises(InputError, match=r"lines\[0\]\.unitPrice: 100\.50 has more decimals than JPY"):
        shop.do(lambda c: convert(c, "shop", cart, "order", NOTHING, NOW, PricingTerms()))


def test_carts_of_odd_currencies_are_counted(shop: Shop) -> None:
    """D11: an amount finer than its currency, and a currency that is none, are averaged as the columns hold them."""
    sold = {"status": "CONVERTED", "convertedAt": NOW - HOUR}
    for number, (code, amount) in enumerate(
        (("JPY", "100.50"), ("JPY", "100.00"), ("KWD", "1.25"), ("gems", "0.01"), ("gems", "0.02"))
    ):
        shop.cart(currency=code, grandTotal=Decimal(amount), orderId=f"o{number}", **sold)
    rows = shop.do(lambda c: cart_statistics.overviews(c, "shop", Period(NOW - 24 * HOUR, NOW)))
    messages = {row.currency: str(row.overview.aov) for row in rows if row.site_type is None}
    assert messages == {"JPY": "100", "KWD": "1.25", "gems": "0.02"}
