"""D10: who is written to, at most once; D11: what became of the carts of a period."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cartctl.cart import analytics
from cartctl.cart.enums import CartStatus, SiteType
from cartctl.cart.lifecycle import recovery, states
from cartctl.cart.lifecycle.cart import Cart

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(milliseconds=1)
LEFT = Cart("k1", "c1", CartStatus.ABANDONED, "USD", 1, NOW - DAY, NOW - DAY, abandoned_at=NOW - DAY)
SHOPPER = recovery.Shopper(contactable=True)


@pytest.mark.parametrize(
    ("cart", "shopper", "candidate"),
    (
        (LEFT, SHOPPER, True),
        (replace(LEFT, abandoned_at=NOW - HOUR), SHOPPER, True),
        (replace(LEFT, abandoned_at=NOW - HOUR + TICK), SHOPPER, False),
        (replace(LEFT, abandoned_at=NOW - 72 * HOUR), SHOPPER, False),
        (replace(LEFT, abandoned_at=NOW - 72 * HOUR + TICK), SHOPPER, True),
        (replace(LEFT, status=CartStatus.ACTIVE), SHOPPER, False),
        (replace(LEFT, recovery_email_sent=True), SHOPPER, False),
        (replace(LEFT, item_count=0), SHOPPER, False),
        (replace(LEFT, abandoned_at=None), SHOPPER, False),
        (LEFT, recovery.Shopper(contactable=False), False),
        (LEFT, replace(SHOPPER, converted_at=NOW - 2 * DAY), True),
        (LEFT, replace(SHOPPER, converted_at=NOW - HOUR), False),
        (
            replace(LEFT, last_activity_at=NOW - 2 * DAY),
            replace(SHOPPER, converted_at=NOW - 30 * HOUR),
            False,
        ),
        (replace(LEFT, expires_at=NOW), SHOPPER, False),
        (replace(LEFT, expires_at=NOW + TICK), SHOPPER, True),
        (LEFT, replace(SHOPPER, newer_cart=True), False),
        (LEFT, replace(SHOPPER, paying=True), False),
        (LEFT, replace(SHOPPER, unsubscribed=True), False),
        (LEFT, replace(SHOPPER, mailed_at=NOW - 72 * HOUR + TICK), False),
        (LEFT, replace(SHOPPER, mailed_at=NOW - 72 * HOUR), True),
    ),
)
def test_who_is_written_to(cart: Cart, shopper: recovery.Shopper, candidate: bool) -> None:
    """D10: abandoned 1 to 72 hours ago with items, contactable, not written to, nothing bought since."""
    assert recovery.is_candidate(cart, shopper, NOW) is candidate


def test_a_claim_is_written_before_the_mail() -> None:
    """D10: a claimed cart is no candidate any more; the key names this abandonment."""
    claimed, key = recovery.claimed(LEFT, NOW)
    assert (claimed.recovery_email_sent, claimed.recovery_email_sent_at) == (True, NOW)
    assert key == ("k1", NOW - DAY)
    assert not recovery.is_candidate(claimed, SHOPPER, NOW)
    assert recovery.is_candidate(recovery.rejected(claimed), SHOPPER, NOW)
    with pytest.raises(ValueError, match="never abandoned"):
        recovery.claimed(replace(LEFT, abandoned_at=None), NOW)


@pytest.mark.parametrize(("sent", "again"), ((NOW - 7 * DAY, True), (NOW - 7 * DAY + TICK, False)))
def test_a_cart_that_came_back_may_be_written_to_again(sent: datetime, again: bool) -> None:
    """D10: reactivation resets the flag when the last mail is at least 7 days old; when it was sent stays known."""
    cart = replace(LEFT, recovery_email_sent=True, recovery_email_sent_at=sent)
    back = states.touch(cart, NOW)
    assert (back.recovery_email_sent, back.recovery_email_sent_at) == (not again, sent)


PERIOD = analytics.Period(NOW, NOW + DAY)
CART = Cart("k", "c1", CartStatus.ACTIVE, "USD", 1, NOW, NOW, grand_total=Decimal("10.00"))


def bought(after: timedelta, **more: Any) -> Cart:
    """A cart of the period, converted so long after it was made."""
    return replace(CART, status=CartStatus.CONVERTED, converted_at=NOW + after, **more)


CARTS = (
    CART,
    replace(CART, abandoned_at=NOW + HOUR, status=CartStatus.ABANDONED, site_type=SiteType.FUNNEL),
    replace(CART, abandoned_at=NOW + HOUR, status=CartStatus.EXPIRED),
    bought(HOUR),
    bought(2 * HOUR, abandoned_at=NOW + HOUR, site_type=SiteType.FUNNEL),
    bought(9 * DAY, abandoned_at=NOW + HOUR, recovery_email_sent_at=NOW + 2 * DAY),
    bought(9 * DAY + TICK, abandoned_at=NOW + HOUR, recovery_email_sent_at=NOW + 2 * DAY),
    replace(CART, created_at=NOW + DAY),
    replace(CART, created_at=NOW - TICK),
    replace(CART, status=CartStatus.MERGED),
    replace(CART, item_count=0),
    replace(CART, company_id="c2"),
    replace(CART, currency="EUR"),
    bought(HOUR, created_at=NOW - 9 * DAY, grand_total=Decimal("20.01")),
)


def test_the_figures_of_a_period() -> None:
    """D11: seven carts in the cohort, four converted, two lost, three of five recovered, one by a mail in time."""
    result = analytics.overview(CARTS, "c1", "USD", PERIOD)
    assert (result.carts, result.converted, result.abandoned) == (7, 4, 2)
    assert (result.conversion, result.abandonment) == (Decimal("0.5714"), Decimal("0.2857"))
    assert (result.recovery, result.attributed_recovery) == (Decimal("0.6000"), Decimal("0.2000"))
    assert (result.orders, result.aov) == (3, Decimal("13.34"))


def test_nothing_divides_by_zero() -> None:
    """D11: without carts every ratio is null, and so is the average."""
    result = analytics.overview([], "c1", "USD", PERIOD)
    ratios = (result.conversion, result.abandonment, result.recovery, result.attributed_recovery, result.aov)
    assert ratios == (None,) * 5
    assert analytics.overview([CART], "c1", "USD", PERIOD).recovery is None


@pytest.mark.parametrize(
    ("part", "whole", "expected"), ((1, 3, "0.3333"), (2, 3, "0.6667"), (1, 32, "0.0313"), (5, 5, "1.0000"))
)
def test_ratios_are_rounded_half_up(part: int, whole: int, expected: str) -> None:
    """D11: four decimals, half up."""
    assert str(analytics.ratio(part, whole)) == expected


def test_funnel_carts_are_seen_apart() -> None:
    """D11: the same figures by type of site add up to the whole."""
    result = analytics.by_site_type(iter(CARTS), "c1", "USD", PERIOD)
    assert set(result) == set(SiteType)
    assert (result[SiteType.FUNNEL].carts, result[SiteType.FUNNEL].recovery) == (2, Decimal("0.5000"))
    assert sum(figures.carts for figures in result.values()) == 7
