"""D13: the four components, each told only what is true; wishlists, saved items, comparisons; D12."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cartctl.domain import conversion, lists
from cartctl.domain.cart import Cart, SavedItem
from cartctl.domain.enums import CartStatus, ShippingRuleType
from cartctl.domain.errors import ListFull, NotFound
from cartctl.domain.tenancy import of_company
from cartctl.domain.zones import ShippingRule, ShippingZone

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_urgency_is_the_first_end() -> None:
    """D13: of the cart's and the promotions' ends the first that is still to come."""
    found = conversion.urgency(NOW, NOW + 5 * HOUR, {"P": NOW + 3 * HOUR, "Q": NOW})
    assert found == conversion.Urgency(NOW + 3 * HOUR, 3 * HOUR, "P")
    assert conversion.urgency(NOW, NOW + HOUR, {}) == conversion.Urgency(NOW + HOUR, HOUR, None)


@pytest.mark.parametrize("expires_at", (None, NOW, NOW - HOUR, NOW + 24 * HOUR + timedelta(seconds=1)))
def test_no_urgency_is_made_up(expires_at: datetime | None) -> None:
    """D13: nothing is urgent that has no end, is over, or ends beyond the horizon."""
    assert conversion.urgency(NOW, expires_at, {}) is None
    assert conversion.urgency(NOW, NOW + 24 * HOUR, {}) is not None


@pytest.mark.parametrize(("units", "told"), ((None, None), (6, None), (5, 5), (1, 1), (0, 0), (-1, None)))
def test_scarcity_tells_what_stock_has(units: int | None, told: int | None) -> None:
    """D13: few units as they are, never a number of its own."""
    assert conversion.scarcity(units, 5) == told


def rule(name: str, threshold: str | None, *, active: bool = True) -> ShippingRule:
    """A rule with a threshold."""
    free_from = None if threshold is None else Decimal(threshold)
    return ShippingRule(
        name, ShippingRuleType.FLAT_RATE, Decimal(5), free_shipping_threshold=free_from, is_active=active
    )


def test_progress_to_free_shipping() -> None:
    """D13: what is missing to the lowest threshold of the chosen zone, and nothing once it is reached."""
    zone = ShippingZone("z", NOW, rules=(rule("a", "80"), rule("b", "50"), rule("c", None), rule("d", "1", active=False)))  # fmt: skip
    assert conversion.shipping_progress(Decimal("49.99"), zone) == conversion.Progress(
        Decimal(50), Decimal("0.01")
    )
    assert conversion.shipping_progress(Decimal(60), zone) == conversion.Progress(Decimal(50), Decimal(0))
    assert conversion.shipping_progress(Decimal(1), None) is None
    assert conversion.shipping_progress(Decimal(1), ShippingZone("z", NOW, rules=(rule("c", None),))) is None


def test_upsell_is_what_was_bought_with_it() -> None:
    """D13: most often first, then by id; nothing that is in the cart, out of stock, or of a cart without its products."""
    together = [["a", "x", "y"], ["a", "y"], ["a", "z", "z"], ["a", "gone"], ["b", "w"], ["a", "a2"]]
    stock = dict.fromkeys(("x", "y", "z", "w", "a"), 1) | {"gone": 0}
    assert conversion.upsell(["a"], together, stock) == ["y", "x", "z"]
    assert conversion.upsell(["a", "b"], together, stock, limit=2) == ["y", "w"]
    assert conversion.upsell([], together, stock) == []


def test_a_wish_is_there_once() -> None:
    """Wishlists: the same product and variant, NULL being NULL, keeps its place and takes the new priority."""
    first, other = lists.Wish("p", None, notes="blue"), lists.Wish("p", "v")
    found = lists.wish(lists.wish(lists.wish((), first), other), lists.Wish("p", None, priority=1))
    assert found == (lists.Wish("p", None, 1, "blue"), other)
    assert lists.remove(found, "p") == (other,)
    with pytest.raises(NotFound):
        lists.remove(found, "q")


def test_wishlists_become_one() -> None:
    """Wishlists: a guest's goes into the customer's, nothing twice, the customer's own first."""
    mine, guests = (lists.Wish("p", notes="mine"),), (lists.Wish("p", notes="guest's"), lists.Wish("q"))
    assert lists.merge_wishes(mine, guests) == (*mine, lists.Wish("q"))


def test_saving_again_adds_units() -> None:
    """Saved items: the same product again adds its units, at the price it was first saved at."""
    found = lists.save(
        lists.save((), SavedItem("p", None, 1, Decimal(5))), SavedItem("p", None, 2, Decimal(6))
    )
    assert found == (SavedItem("p", None, 3, Decimal(5)),)


def test_a_comparison_is_full() -> None:
    """Comparisons: so many products and no more; one that is in it already is no more."""
    found: tuple[lists.Compared, ...] = ()
    for product in ("a", "b", "c", "a"):
        found = lists.compare(found, lists.Compared(product), limit=3)
    assert [(entry.product_id, entry.position) for entry in found] == [("a", 0), ("b", 1), ("c", 2)]
    with pytest.raises(ListFull):
        lists.compare(found, lists.Compared("a", "v"), limit=3)


def test_comparisons_become_one() -> None:
    """Comparisons: what does not fit is told, not lost without a word."""
    mine = (lists.Compared("a", None, 0), lists.Compared("b", None, 4))
    guests = (lists.Compared("d", "v", 2), lists.Compared("c", None, 1), lists.Compared("a", None, 0))
    found, left_out = lists.merge_comparisons(mine, guests, limit=3)
    assert [(entry.product_id, entry.position) for entry in found] == [("a", 0), ("b", 4), ("c", 5)]
    assert left_out == (("d", "v"),)


def test_what_is_anothers_is_not_there() -> None:
    """D12: another company's cart and no cart at all are told in the same words."""
    cart = Cart("k1", "c1", CartStatus.ACTIVE, "USD", 0, NOW, NOW)
    assert of_company(cart, "c1", "cart k1") is cart
    told = []
    for company, found in (("c2", cart), ("c1", None)):
        with pytest.raises(NotFound) as refused:
            of_company(found, company, "cart k1")
        told.append((refused.value.message, refused.value.code))
    assert told == [("There is no cart k1.", "NOT_FOUND")] * 2
