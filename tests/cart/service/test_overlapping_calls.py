"""Every pair of calls that can overlap, in two processes on the same carts: never lost, never half, never the driver's error."""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

from cartctl.adapters.postgres import Postgres
from cartctl.cart.errors import CartError
from cartctl.cart.lifecycle.lists import Wish
from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.pricing.places.address import Address
from cartctl.cart.service.lines import NewLine
from cartctl.cart.service.lists import ListOwner
from cartctl.cart.service.service import CartService
from cartctl.cart.store import jobs
from cartctl.cart.store.sql_engine import over
from tests.cart.store.shop import HOUR, NOW, Shop

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

AGREED = AgreedTotal(Decimal("19.80"), "USD")
MUG = NewLine("mug", Decimal(20))
CARTS = 3  # for each pair

CALLS: dict[str, Callable[[CartService, str], Any]] = {
    "add": lambda s, cart: s.add_line(cart, MUG, key="add"),
    "change": lambda s, cart: s.change_quantity(cart, f"l-{cart}", 3),
    "remove": lambda s, cart: s.remove_line(cart, f"l-{cart}"),
    "save": lambda s, cart: s.save_for_later(cart, f"l-{cart}"),
    "move": lambda s, cart: s.move_to_cart(cart, MUG),
    "apply": lambda s, cart: s.apply_code(cart, "MORE"),
    "unapply": lambda s, cart: s.remove_code(cart, "TEN"),
    "address": lambda s, cart: s.set_address(cart, Address("US", "NY")),
    "price": lambda s, cart: s.price(cart),
    "merge": lambda s, cart: s.merge(cart, f"t-{cart}", f"c-{cart}"),
    "merge lists": lambda s, cart: s.merge_lists(f"t-{cart}", f"c-{cart}"),
    "wish": lambda s, cart: s.add_wish(ListOwner(session_token=f"t-{cart}"), Wish("mug")),
    "open": lambda s, cart: s.open_cart("USD", customer_id=f"c-{cart}"),
    "hand over": lambda s, cart: s.hand_over(cart),
    "recover": lambda s, cart: s.recover(cart),
    "pay": lambda s, cart: s.start_payment(cart, "p", AGREED),
    "end payment": lambda s, cart: s.end_payment(cart, "p"),
    "convert": lambda s, cart: s.convert(cart, f"o-{cart}", AGREED),
    "cancel": lambda s, cart: s.cancel(f"o-{cart}"),
    "expire": lambda s, cart: _job(s, jobs.expire_carts),
    "abandon": lambda s, cart: _job(s, jobs.abandon_carts),
    "claim": lambda s, cart: _job(s, jobs.claim_recovery),
}
PAIRS = list(combinations_with_replacement(CALLS, 2))


def _job(service: CartService, job: Callable[..., Any]) -> None:
    """A batch of a background job, a little later than the calls."""
    with service._transactions.engine.begin() as connection:
        job(connection, NOW + 3 * HOUR, size=2)


def work(dsn: str, side: int, start: Any, seen: "Queue[Counter[str]]") -> None:
    """One side of every pair, pair by pair together with the other side. In a process of its own."""
    postgres, ends = Postgres(dsn), Counter[str]()
    connection = postgres.connect("race", autocommit=False)
    connection.close = lambda: None  # type: ignore[method-assign]  # one connection for all
    service = CartService(over(lambda: connection), "shop", clock=lambda: NOW)
    for number, pair in enumerate(PAIRS):
        start.wait(60)
        for cart in (f"{number}-{each}" for each in range(CARTS)):
            try:
                CALLS[pair[side]](service, cart)
                ends[f"{pair[side]}: done"] += 1
            except CartError as error:
                ends[f"{pair[side]}: {error.code}"] += 1
            except Exception as error:  # noqa: BLE001 - reported by the test
                ends[f"FAILED {pair}: {error!r}"] += 1
    seen.put(ends)


def test_every_pair_of_calls_that_overlap(shop: Shop) -> None:
    """Each call ends or is refused by name, nothing deadlocks, and every cart is as one order of the calls leaves it."""
    shop.promotion("ten")
    shop.promotion("more", value=1)
    shop.run(WORLD)
    spawn = multiprocessing.get_context("spawn")
    start, seen = spawn.Barrier(2), spawn.Queue()
    sides = [spawn.Process(target=work, args=(shop.database.dsn, side, start, seen)) for side in range(2)]
    for side in sides:
        side.start()
    ends = seen.get(timeout=200) + seen.get(timeout=60)
    for side in sides:
        side.join()
    assert not [end for end in ends if end.startswith("FAILED") or "TRY_AGAIN" in end], ends
    assert {end.split(":")[0] for end in ends} == set(CALLS)
    assert all(ends[f"{call}: done"] for call in CALLS if call != "cancel"), ends
    assert shop.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    for claim, query in INVARIANTS.items():
        assert shop.all(query) == [], claim


WORLD = f"""
INSERT INTO customers (id, "companyId", email, "firstName", "lastName")
SELECT 'c-' || n || '-' || k, 'shop', n || '-' || k || '@c', 'C', 'C'
FROM generate_series(0, {len(PAIRS) - 1}) AS n, generate_series(0, {CARTS - 1}) AS k;
INSERT INTO carts (id, "companyId", "sessionToken", "itemCount", subtotal, "shippingCountry", "updatedAt", "lastActivityAt", "expiresAt")
SELECT n || '-' || k, 'shop', 't-' || n || '-' || k, 1, 20, 'US', '{NOW:%Y-%m-%d}', '{NOW:%Y-%m-%d %H:%M}'::timestamp - interval '1 hour',
       '{NOW:%Y-%m-%d %H:%M}'::timestamp + interval '2 hours'
FROM generate_series(0, {len(PAIRS) - 1}) AS n, generate_series(0, {CARTS - 1}) AS k;
INSERT INTO carts (id, "companyId", "customerId", "updatedAt", "lastActivityAt")
SELECT 'mine-' || id, 'shop', 'c-' || id, '{NOW:%Y-%m-%d}', "lastActivityAt" FROM carts;
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", "unitPrice", "originalPrice", "lineTotal", "updatedAt")
SELECT 'l-' || id, id, 'mug', '{{}}', 20, 20, 20, now() FROM carts WHERE id NOT LIKE 'mine-%';
INSERT INTO saved_cart_items (id, "cartId", "productId", "priceAtSave")
SELECT 's-' || id, id, 'mug', 20 FROM carts WHERE id NOT LIKE 'mine-%';
INSERT INTO cart_promotions (id, "cartId", "promotionId", "discountAmount")
SELECT 'ten-' || id, id, 'ten', 2 FROM carts WHERE id NOT LIKE 'mine-%';
"""
INVARIANTS = {
    "a wish is counted once": """SELECT id FROM wishlists WHERE "itemCount" <> 1
        OR (SELECT count(*) FROM wishlist_items WHERE "wishlistId" = wishlists.id) <> 1""",
    "counts and subtotals are those of the lines": """
        SELECT carts.id, status, "itemCount", subtotal, sum(quantity), sum(quantity * "unitPrice")
        FROM carts LEFT JOIN cart_items ON "cartId" = carts.id WHERE status <> 'MERGED' AND version > 0
        GROUP BY carts.id HAVING "itemCount" <> COALESCE(sum(quantity), 0)
        OR subtotal <> COALESCE(sum(quantity * "unitPrice"), 0)""",
    "a converted cart was charged what was agreed, for its lines": """
        SELECT id FROM carts WHERE status = 'CONVERTED' AND ("grandTotal" <> 19.80 OR "itemCount" <> 1
        OR metadata #>> '{sold,grandTotal}' <> '19.80' OR metadata ? 'payment')""",
    "a use is counted for each order that was not cancelled": """
        SELECT "currentUses" FROM promotions WHERE id = 'ten' AND "currentUses" <>
        (SELECT count(*) FROM carts WHERE status = 'CONVERTED' AND NOT metadata ? 'cancelledAt')""",
    "as many uses are recorded as counted": """
        SELECT id FROM promotions WHERE "currentUses" <> (SELECT count(*) FROM promotion_usages WHERE "promotionId" = promotions.id)""",
    "what is being paid for is what is in the cart": """
        SELECT id FROM carts WHERE status IN ('ACTIVE', 'ABANDONED') AND metadata ? 'payment'
        AND (metadata #>> '{payment,quote,subtotal}')::numeric <> subtotal""",
    "a merged cart has no token, and its customer's cart has its units": """
        SELECT carts.id FROM carts JOIN carts AS target ON target.id = carts."mergedIntoCartId"
        WHERE carts.status = 'MERGED' AND (carts."sessionToken" IS NOT NULL OR target."customerId" <> 'c-' || carts.id)""",
    "no cart is both expired and paid for": """
        SELECT id FROM carts WHERE status = 'EXPIRED' AND metadata #>> '{payment,expiresAt}' > '2026-03-04T15:00:00.000Z'""",
    "a key has added once": """
        SELECT "cartId" FROM cart_items GROUP BY 1 HAVING sum(quantity) > 5""",
}
