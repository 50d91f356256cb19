"""Wishlists, saved items and comparisons."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cartctl.cart.errors import ListFull, NotFound
from cartctl.cart.lifecycle import lists
from cartctl.cart.lifecycle.cart import SavedItem

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_wish_is_there_once() -> None:
    """Wishlists: the same product and variant, NULL being NULL, keeps its place and takes the new priority."""
    first, other = lists.Wish("p", None, notes="blue"), lists.Wish("p", "v")
    result = lists.wish(lists.wish(lists.wish((), first), other), lists.Wish("p", None, priority=1))
    assert result == (lists.Wish("p", None, 1, "blue"), other)
    assert lists.remove(result, "p") == (other,)
    with pytest.raises(NotFound):
        lists.remove(result, "q")


def test_wishlists_become_one() -> None:
    """Wishlists: a guest's goes into the customer's, nothing twice, the customer's own first."""
    mine, guests = (lists.Wish("p", notes="mine"),), (lists.Wish("p", notes="guest's"), lists.Wish("q"))
    assert lists.merge_wishes(mine, guests) == (*mine, lists.Wish("q"))


def test_saving_again_adds_units() -> None:
    """Saved items: the same product again adds its units, at the price it was first saved at."""
    result = lists.save(
        lists.save((), SavedItem("p", None, 1, Decimal(5))), SavedItem("p", None, 2, Decimal(6))
    )
    assert result == (SavedItem("p", None, 3, Decimal(5)),)


def test_a_comparison_is_full() -> None:
    """Comparisons: so many products and no more; one that is in it already is no more."""
    result: tuple[lists.Compared, ...] = ()
    for product in ("a", "b", "c", "a"):
        result = lists.compare(result, lists.Compared(product), limit=3)
    assert [(entry.product_id, entry.position) for entry in result] == [("a", 0), ("b", 1), ("c", 2)]
    with pytest.raises(ListFull):
        lists.compare(result, lists.Compared("a", "v"), limit=3)


def test_comparisons_become_one() -> None:
    """Comparisons: what does not fit is told, not lost without a word."""
    mine = (lists.Compared("a", None, 0), lists.Compared("b", None, 4))
    guests = (lists.Compared("d", "v", 2), lists.Compared("c", None, 1), lists.Compared("a", None, 0))
    result, left_out = lists.merge_comparisons(mine, guests, limit=3)
    assert [(entry.product_id, entry.position) for entry in result] == [("a", 0), ("b", 4), ("c", 5)]
    assert left_out == (("d", "v"),)
