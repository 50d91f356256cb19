"""D13: the four conversion components, each true to its input."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cartctl.cart import components
from cartctl.cart.enums import ShippingRuleType
from cartctl.cart.pricing.shipping.zones import ShippingRule, ShippingZone

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_urgency_is_the_first_end() -> None:
    """D13: of the cart's and the promotions' ends the first that is still to come."""
    result = components.urgency(NOW, NOW + 5 * HOUR, {"P": NOW + 3 * HOUR, "Q": NOW})
    assert result == components.Urgency(NOW + 3 * HOUR, 3 * HOUR, "P")
    assert components.urgency(NOW, NOW + HOUR, {}) == components.Urgency(NOW + HOUR, HOUR, None)


@pytest.mark.parametrize("expires_at", (None, NOW, NOW - HOUR, NOW + 24 * HOUR + timedelta(seconds=1)))
def test_no_urgency_is_made_up(expires_at: datetime | None) -> None:
    """D13: nothing is urgent that has no end, is over, or ends beyond the horizon."""
    assert components.urgency(NOW, expires_at, {}) is None
    assert components.urgency(NOW, NOW + 24 * HOUR, {}) is not None


@pytest.mark.parametrize(("units", "expected"), ((None, None), (6, None), (5, 5), (1, 1), (0, 0), (-1, None)))
def test_scarcity_reports_what_stock_has(units: int | None, expected: int | None) -> None:
    """D13: few units as they are, never a number of its own."""
    assert components.scarcity(units, 5) == expected


def rule(name: str, threshold: str | None, *, active: bool = True) -> ShippingRule:
    """A rule with a threshold."""
    free_from = None if threshold is None else Decimal(threshold)
    return ShippingRule(
        name, ShippingRuleType.FLAT_RATE, Decimal(5), free_shipping_threshold=free_from, is_active=active
    )


def test_progress_to_free_shipping() -> None:
    """D13: what is missing to the lowest threshold of the chosen zone, and nothing once it is reached."""
    zone = ShippingZone("z", NOW, rules=(rule("a", "80"), rule("b", "50"), rule("c", None), rule("d", "1", active=False)))  # fmt: skip
    assert components.shipping_progress(Decimal("49.99"), zone) == components.ShippingProgress(
        Decimal(50), Decimal("0.01")
    )
    assert components.shipping_progress(Decimal(60), zone) == components.ShippingProgress(
        Decimal(50), Decimal(0)
    )
    assert components.shipping_progress(Decimal(1), None) is None
    assert components.shipping_progress(Decimal(1), ShippingZone("z", NOW, rules=(rule("c", None),))) is None


def test_upsell_is_what_was_bought_with_it() -> None:
    """D13: most often first, then by id; nothing that is in the cart, out of stock, or of a cart without its products."""
    together = [["a", "x", "y"], ["a", "y"], ["a", "z", "z"], ["a", "gone"], ["b", "w"], ["a", "a2"]]
    stock = dict.fromkeys(("x", "y", "z", "w", "a"), 1) | {"gone": 0}
    assert components.upsell(["a"], together, stock) == ["y", "x", "z"]
    assert components.upsell(["a", "b"], together, stock, limit=2) == ["y", "w"]
    assert components.upsell([], together, stock) == []
