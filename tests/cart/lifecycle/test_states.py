"""D1: every transition of a cart and of a session, and no other; D12: whose they are."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cartctl.cart.enums import CartStatus, CrossSiteSessionStatus
from cartctl.cart.errors import (
    CartNotActive,
    ConversionBlocked,
    NotFound,
    OrderConflict,
    SessionNotActive,
    TransitionInvalid,
)
from cartctl.cart.lifecycle import sessions, states
from cartctl.cart.lifecycle.cart import Cart
from cartctl.cart.lifecycle.payment import accepted_quote
from cartctl.cart.pricing.calculation import price
from cartctl.cart.pricing.line import Line
from cartctl.cart.pricing.money import currency
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.pricing.pricing_request import PricingRequest
from cartctl.cart.pricing.pricing_result import PricingResult

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE, DAY, TICK = (
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(days=1),
    timedelta(milliseconds=1),
)
ENDED = (CartStatus.CONVERTED, CartStatus.MERGED, CartStatus.EXPIRED)
CART = Cart(
    "k1", "c1", CartStatus.ACTIVE, "USD", 2, NOW - DAY, last_activity_at=NOW - HOUR, expires_at=NOW + DAY
)
REQUEST = PricingRequest(currency("USD"), NOW, (Line("l1", "p1", Decimal(5), 2),), ship_to=Address("US"))
PRICED = price(REQUEST)


def convert(cart: Cart, priced: PricingResult = PRICED, order: str = "o1", *, paying: bool = False) -> Cart:
    """Convert a cart now."""
    quote = accepted_quote(REQUEST, priced)
    return states.convert(cart, quote, order, NOW, payment_in_flight=paying)


EVERY: tuple[Callable[[Cart], Cart], ...] = (
    lambda cart: states.abandon(cart, NOW),
    lambda cart: states.expire(cart, NOW),
    lambda cart: states.touch(cart, NOW),
    lambda cart: states.follow_recovery_link(cart, NOW),
    lambda cart: convert(cart, order="other"),
)


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize("change", EVERY)
def test_nothing_leaves_the_terminal_states(status: CartStatus, change: Callable[[Cart], Cart]) -> None:
    """D1: changing a cart that has ended raises CART_NOT_ACTIVE, or tells the other order."""
    with pytest.raises((CartNotActive, OrderConflict)) as refused:
        change(replace(CART, status=status, order_id="o1", expires_at=NOW))
    conflict = status is CartStatus.CONVERTED and change is EVERY[-1]
    assert refused.value.code == ("ORDER_CONFLICT" if conflict else "CART_NOT_ACTIVE")


@pytest.mark.parametrize(
    ("cart", "abandoned"),
    (
        (CART, True),
        (replace(CART, last_activity_at=NOW - HOUR + TICK), False),
        (replace(CART, item_count=0), False),
        (replace(CART, status=CartStatus.ABANDONED), False),
    ),
)
def test_a_cart_is_abandoned_after_an_hour(cart: Cart, abandoned: bool) -> None:
    """D1: ACTIVE with items and at least 60 minutes without activity, to the millisecond."""
    if not abandoned:
        with pytest.raises(TransitionInvalid):
            states.abandon(cart, NOW)
        return
    assert states.abandon(cart, NOW) == replace(cart, status=CartStatus.ABANDONED, abandoned_at=NOW)


def test_the_hour_is_configurable() -> None:
    """D1: the time until a cart counts as abandoned is a parameter."""
    assert states.due(CART, NOW, after=2 * HOUR) is None
    assert states.due(CART, NOW, after=MINUTE) is CartStatus.ABANDONED


@pytest.mark.parametrize("status", (CartStatus.ACTIVE, CartStatus.ABANDONED))
def test_a_cart_expires_at_its_time(status: CartStatus) -> None:
    """D1: at expiresAt, not before, and not while a payment is in flight."""
    cart = replace(CART, status=status, expires_at=NOW)
    assert states.expire(cart, NOW).status is CartStatus.EXPIRED
    for other, paying in (
        (replace(cart, expires_at=NOW + TICK), False),
        (cart, True),
        (replace(cart, expires_at=None), False),
    ):
        with pytest.raises(TransitionInvalid):
            states.expire(other, NOW, payment_in_flight=paying)


def test_expiry_comes_before_abandonment() -> None:
    """D1: a cart that is due for both expires; one whose payment is in flight may still be abandoned."""
    cart = replace(CART, expires_at=NOW)
    assert states.due(cart, NOW) is CartStatus.EXPIRED
    assert states.due(cart, NOW, payment_in_flight=True) is CartStatus.ABANDONED
    assert states.due(replace(cart, status=CartStatus.CONVERTED), NOW) is None


def test_a_change_keeps_a_cart_alive() -> None:
    """D1: a shopper's change sets lastActivityAt and extends expiresAt, never shortens it."""
    changed = states.touch(CART, NOW, 30 * DAY)
    assert (changed.last_activity_at, changed.expires_at) == (NOW, NOW + 30 * DAY)
    later = replace(CART, expires_at=NOW + 90 * DAY)
    assert states.touch(later, NOW, 30 * DAY).expires_at == later.expires_at


def test_an_abandoned_cart_comes_back() -> None:
    """D1: by a change or by the link of a mail, which is counted; that it was abandoned stays known."""
    left = replace(CART, status=CartStatus.ABANDONED, abandoned_at=NOW - HOUR)
    assert states.touch(left, NOW).status is CartStatus.ACTIVE
    back = states.follow_recovery_link(left, NOW)
    assert (back.status, back.recovery_clicks, back.abandoned_at, back.last_activity_at) == (
        CartStatus.ACTIVE, 1, NOW - HOUR, NOW,
    )  # fmt: skip


@pytest.mark.parametrize("status", (CartStatus.ACTIVE, CartStatus.ABANDONED))
def test_a_cart_is_converted_once(status: CartStatus) -> None:
    """D1: again with the same order gives the same cart, with another a conflict."""
    done = convert(replace(CART, status=status))
    assert (done.status, done.order_id, done.converted_at) == (CartStatus.CONVERTED, "o1", NOW)
    assert (done.grand_total, done.item_count) == (Decimal("10.00"), 2)
    assert convert(done) is done
    with pytest.raises(OrderConflict):
        convert(done, order="o2")


@pytest.mark.parametrize(
    ("cart", "priced", "order", "why"),
    (
        (CART, price(replace(REQUEST, lines=())), "o1", "it is empty"),
        (replace(CART, expires_at=NOW), PRICED, "o1", "it has expired"),
        (CART, PRICED, " ", "the order ID is missing"),
        (CART, price(replace(REQUEST, ship_to=None)), "o1", "the tax is unknown"),
        (CART, price(replace(REQUEST, shipping_required=True)), "o1", "no shipping to this address"),
    ),
)
def test_a_conversion_is_blocked(cart: Cart, priced: PricingResult, order: str, why: str) -> None:
    """D1, D8: an empty or late cart, no order, no known tax or no way to ship: each is told."""
    with pytest.raises(ConversionBlocked, match=why):
        convert(cart, priced, order)


def test_a_payment_in_flight_is_converted_past_its_time() -> None:
    """D1: a cart past expiresAt that is being paid for becomes an order."""
    assert convert(replace(CART, expires_at=NOW - HOUR), paying=True).status is CartStatus.CONVERTED


SESSION = sessions.Session("s1", "c1", "t", CrossSiteSessionStatus.ACTIVE, NOW + HOUR, NOW - HOUR)


def test_a_session_ends_in_three_ways() -> None:
    """D1: ACTIVE goes to EXPIRED at its time, to MERGED or to REVOKED."""
    assert sessions.expire(replace(SESSION, expires_at=NOW), NOW).status is CrossSiteSessionStatus.EXPIRED
    assert sessions.merge(SESSION, "u1") == replace(
        SESSION, status=CrossSiteSessionStatus.MERGED, customer_id="u1"
    )
    assert sessions.revoke(SESSION).status is CrossSiteSessionStatus.REVOKED
    with pytest.raises(TransitionInvalid):
        sessions.expire(SESSION, NOW)


@pytest.mark.parametrize("status", [status for status in CrossSiteSessionStatus if status != "ACTIVE"])
def test_nothing_leaves_an_ended_session(status: CrossSiteSessionStatus) -> None:
    """D1: a session that has ended is neither used nor ended again."""
    ended = replace(SESSION, status=status, expires_at=NOW)
    changes: tuple[Callable[[], sessions.Session], ...] = (
        lambda: sessions.expire(ended, NOW),
        lambda: sessions.merge(ended, "u1"),
        lambda: sessions.revoke(ended),
        lambda: sessions.usable(ended, "c1", NOW),
    )
    for change in changes:
        with pytest.raises(SessionNotActive):
            change()


def test_a_session_is_used_by_its_company_in_its_time() -> None:
    """D12, D1: another company finds no session, and one past its time is over before the job has swept it."""
    assert sessions.usable(SESSION, "c1", NOW).last_active_at == NOW
    with pytest.raises(NotFound):
        sessions.usable(SESSION, "c2", NOW)
    with pytest.raises(SessionNotActive):
        sessions.usable(replace(SESSION, expires_at=NOW), "c1", NOW)
