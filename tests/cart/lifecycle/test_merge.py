"""D9: a guest's cart and a customer's become one, once, or nothing is changed; D2: the order of lines."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from cartctl.cart.enums import CartStatus
from cartctl.cart.errors import (
    CartNotActive,
    CurrencyMismatch,
    MergeRefused,
    NotFound,
    OutOfRange,
    RuleBroken,
)
from cartctl.cart.lifecycle import merge as merging
from cartctl.cart.lifecycle.cart import Cart, Item, SavedItem, lines
from cartctl.cart.lifecycle.merge import MergeClaim, Merged, Quantities, line_key

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLAIM = MergeClaim("c1", "u1", "token")
merge = partial(merging.merge, new_token="fresh")


def item(name: str, product: str = "p1", quantity: int = 1, **more: Any) -> Item:
    """A line added when its name says."""
    return Item(name, product, quantity, Decimal(5), NOW + timedelta(seconds=ord(name[0])), **more)


def cart(name: str, *items: Item, **more: Any) -> Cart:
    """An active cart of the company."""
    return Cart(
        name,
        "c1",
        CartStatus.ACTIVE,
        "USD",
        sum(one.quantity for one in items),
        NOW,
        NOW,
        items=items,
        **more,
    )


def guest(*items: Item, **more: Any) -> Cart:
    """The guest's cart."""
    return cart("g", *items, **{"session_token": "token"} | more)


def mine(*items: Item, **more: Any) -> Cart:
    """The customer's cart."""
    return cart("m", *items, **{"customer_id": "u1"} | more)


def quantities(merged: Merged) -> dict[str, int]:
    """Units by line."""
    return {one.id: one.quantity for one in merged.target.items}


@pytest.mark.parametrize(("how", "units"), ((Quantities.SUM, 5), (Quantities.MAX, 3), (Quantities.KEEP, 2)))
def test_quantities_of_one_line(how: Quantities, units: int) -> None:
    """D9: summed unless the larger or the customer's own is asked for; lines of one cart alone stay."""
    source = guest(item("a", quantity=3), item("b", "p2", 4))
    merged = merge(source, mine(item("x", quantity=2), item("y", "p3")), CLAIM, NOW, quantities=how)
    assert quantities(merged) == {"b": 4, "x": units, "y": 1}
    assert merged.target.item_count == 5 + units
    assert merged.source == replace(
        source, status=CartStatus.MERGED, session_token=None, merged_into_cart_id="m", merged_at=NOW
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    (
        ({}, {}, True),
        ({"variant_id": None}, {"variant_id": "v"}, False),
        ({"custom_fields": {"a": 1, "b": [2]}}, {"custom_fields": {"b": [2], "a": 1}}, True),
        ({"custom_fields": {"a": 1}}, {"custom_fields": {"a": "1"}}, False),
        ({"is_gift": True}, {}, False),
        ({"gift_message": "Hello"}, {"gift_message": "Bye"}, False),
    ),
)
def test_what_makes_a_line_the_same(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    """D9: product, variant with NULL = NULL, custom fields in any order, gift wrap and its message."""
    assert (line_key(item("a", **one)) == line_key(item("b", **other))) is same


def test_no_target_is_adopted() -> None:
    """D9: without a cart of their own the customer takes the guest's, and again changes nothing."""
    adopted = merge(guest(item("a")), None, CLAIM, NOW)
    assert (adopted.target.customer_id, adopted.target.status, adopted.source) == (
        "u1",
        CartStatus.ACTIVE,
        None,
    )
    again = merge(adopted.target, None, CLAIM, NOW + timedelta(hours=1))
    assert (again.target, again.replayed) == (adopted.target, True)


def test_an_adopted_cart_gets_a_new_token() -> None:
    """D9: whoever knows the guest's token has no access to the customer's cart; a token that is not new is refused."""
    assert merge(guest(item("a")), None, CLAIM, NOW).target.session_token == "fresh"
    for token in ("", "token"):
        with pytest.raises(ValueError, match="a new session token"):
            merge(guest(), None, CLAIM, NOW, new_token=token)


def test_more_units_than_a_column_holds_are_refused() -> None:
    """D9: quantities that are added up beyond the column's range are a named error, and neither cart is changed."""
    half = 2**30
    with pytest.raises(OutOfRange):
        merge(guest(item("a", quantity=half)), mine(item("x", quantity=half)), CLAIM, NOW)


def test_codes_are_merged_in_canonical_form() -> None:
    """D9, D4: each code once; what is no code is left out with a warning."""
    codes = (" save", "S\u00c4VE")
    merged = merge(guest(discount_codes=codes), mine(discount_codes=("SAVE", "X")), CLAIM, NOW)
    assert merged.target.discount_codes == ("SAVE", "X")
    assert merged.warnings == ("'S\\xc4VE' is not a promotion code",)


def test_a_replay_changes_nothing() -> None:
    """D9: merging again what was merged is no error, though the token is gone."""
    done = merge(guest(item("a", quantity=3)), mine(item("x")), CLAIM, NOW)
    assert done.source is not None
    again = merge(done.source, done.target, CLAIM, NOW + timedelta(hours=1))
    assert again == Merged(done.target, done.source, replayed=True)


def test_lines_that_one_cart_has_twice_lose_no_unit() -> None:
    """D9: where a cart itself has a line twice, its units count together, whichever cart it is and whatever is asked for."""
    twice = (item("a", quantity=2), item("b", quantity=3))
    for how, units in ((Quantities.SUM, 9), (Quantities.MAX, 5), (Quantities.KEEP, 5)):
        merged = merge(guest(item("c", quantity=4)), mine(*twice), CLAIM, NOW, quantities=how)
        assert (quantities(merged), merged.target.item_count) == ({"a": units}, units)
    for how, units in ((Quantities.SUM, 9), (Quantities.MAX, 5), (Quantities.KEEP, 4)):
        merged = merge(guest(*twice), mine(item("c", quantity=4)), CLAIM, NOW, quantities=how)
        assert quantities(merged) == {"c": units}


def test_stock_is_kept_with_a_warning() -> None:
    """D9: units of one product are shared by its lines, earlier ones first; what is left without any is dropped."""
    source = guest(item("a", quantity=3), item("b", quantity=4, variant_id="v"))
    merged = merge(source, mine(item("x", quantity=2), item("y", "p2", 9)), CLAIM, NOW, stock={"p1": 5})
    assert quantities(merged) == {"b": 4, "x": 1, "y": 9}
    assert merged.warnings == ("p1: 5 units requested, 1 in stock",)
    none = merge(source, mine(), CLAIM, NOW, stock={"p1": 0})
    assert (none.target.items, none.target.item_count, len(none.warnings)) == ((), 0, 2)


def test_gifts_of_promotions_are_dropped_and_codes_are_joined() -> None:
    """D9: pricing makes gifts anew and judges the codes of both carts, each once."""
    gift = item("z", "g", gift_promotion_id="G")
    merged = merge(
        guest(item("a"), gift, discount_codes=(" ten", "B")),
        mine(gift, discount_codes=("TEN", "A")),
        CLAIM,
        NOW,
    )
    assert quantities(merged) == {"a": 1}
    assert merged.target.discount_codes == ("TEN", "A", "B")


def test_saved_items_keep_the_larger_quantity() -> None:
    """D9: of what both saved, the larger quantity at the customer's price; a missing variant equals a missing one."""
    one, two = Decimal(1), Decimal(2)
    merged = merge(
        guest(saved=(SavedItem("p", None, 3, one), SavedItem("p", "v", 1, one))),
        mine(saved=(SavedItem("p", None, 2, two),)), CLAIM, NOW,
    )  # fmt: skip
    assert merged.target.saved == (SavedItem("p", None, 3, two), SavedItem("p", "v", 1, one))
    twice = mine(saved=(SavedItem("p", None, 7, two), SavedItem("p", None, 2, one)))
    assert merge(guest(), twice, CLAIM, NOW).target.saved == (SavedItem("p", None, 7, two),)


@pytest.mark.parametrize(
    ("source", "target", "error"),
    (
        (replace(guest(), currency="EUR"), mine(), CurrencyMismatch),
        (replace(guest(), company_id="c2"), mine(), NotFound),
        (guest(), replace(mine(), company_id="c2"), NotFound),
        (guest(), mine(customer_id="u2"), NotFound),
        (guest(session_token="other"), mine(), MergeRefused),
        (guest(session_token=None), mine(), MergeRefused),
        (guest(customer_id="u9"), mine(), MergeRefused),
        (guest(customer_id="u9"), None, MergeRefused),
        (replace(guest(), status=CartStatus.ABANDONED), mine(), MergeRefused),
        (guest(), replace(mine(), status=CartStatus.ABANDONED), MergeRefused),
        (replace(guest(), status=CartStatus.CONVERTED), mine(), CartNotActive),
        (replace(guest(), status=CartStatus.MERGED, session_token=None, merged_into_cart_id="m2"), mine(), CartNotActive),
        (guest(), replace(mine(), status=CartStatus.EXPIRED), CartNotActive),
        (guest(), replace(guest(), customer_id="u1"), MergeRefused),
    ),
)  # fmt: skip
def test_what_may_not_be_merged(source: Cart, target: Cart | None, error: type[RuleBroken]) -> None:
    """D9, D12: another currency, company, customer, token or state, or the same cart: refused, and nothing changed."""
    with pytest.raises(error):
        merge(source, target, CLAIM, NOW)


def test_a_merge_is_a_shoppers_change() -> None:
    """D1: the customer's cart lives on from the merge."""
    old = replace(mine(item("x")), last_activity_at=NOW - timedelta(days=9), expires_at=NOW)
    merged = merge(guest(item("a", "p2")), old, CLAIM, NOW).target
    assert merged.last_activity_at == NOW
    assert merged.expires_at is not None
    assert merged.expires_at > NOW


def test_lines_are_ordered_by_when_they_were_added() -> None:
    """D2: by addedAt, then id; gifts are not the shopper's lines."""
    same = [replace(item("b"), id=name) for name in ("z", "y")]
    result = lines([item("c"), *same, item("a"), item("d", gift_promotion_id="G")])
    assert [line.id for line in result] == ["a", "y", "z", "c"]
