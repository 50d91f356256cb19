"""The service in one process: `python benchmarks/cart_service.py [CARTS]`. The aim is a line added in under 5 ms (p95).

Each cart has three lines, two codes, a tax rate and a shipping zone; the line is added with an idempotency key, and the
cart is priced and written. Commits are synchronous.
"""

import statistics
import sys
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from arena import arena

from cartctl.cart import Address, CartService, NewLine, connect

AIM = 5.0  # milliseconds
WORLD = """
INSERT INTO tax_rates (id, "companyId", country, "taxType", name, rate, "updatedAt")
VALUES ('tax', 'avnz', 'US', 'SALES_TAX', 'Sales tax', 0.0725, now());
INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "startsAt", stackable, "updatedAt")
VALUES ('ten', 'avnz', 'TEN', 'Ten', 'PERCENTAGE_OFF', 'CART', 10, now() - interval '1 day', true, now()),
       ('one', 'avnz', 'ONE', 'One', 'FIXED_AMOUNT_OFF', 'CART', 1, now() - interval '1 day', true, now());
INSERT INTO shipping_zones (id, "companyId", name, "updatedAt") VALUES ('zone', 'avnz', 'Everywhere', now());
INSERT INTO shipping_rules (id, "shippingZoneId", name, type, "baseRate", "updatedAt")
VALUES ('flat', 'zone', 'Flat', 'FLAT_RATE', 5, now());
"""


def main() -> int:
    """Print the latencies; 1 when the aim is missed."""
    carts = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with arena() as postgres:
        with postgres.session("benchmark") as connection:
            connection.execute(WORLD.encode())
        engine = connect(postgres.dsn, pool_size=1)
        shop = CartService(engine, "avnz")
        added = [milliseconds for number in range(carts) for milliseconds in fill(shop, number)]
        engine.dispose()
    rest = added[len(added) // 10 :]  # the first carts warm up
    p95 = statistics.quantiles(rest, n=20)[-1]
    print(
        f"add a line: p50 {statistics.median(rest):.2f} ms, p95 {p95:.2f} ms (aim: {AIM}), {len(rest)} times"
    )
    return 0 if p95 < AIM else 1


def fill(shop: CartService, number: int) -> list[float]:
    """The milliseconds of each line added to a new cart."""
    cart = shop.open_cart("USD")
    shop.set_address(cart.id, Address("US", "CA"))
    for code in ("TEN", "ONE"):
        shop.apply_code(cart.id, code)
    spent = []
    for line in range(3):
        began = time.perf_counter()
        shop.add_line(cart.id, NewLine(f"avnz-product-0{line}", Decimal("12.49")), key=f"{number}-{line}")
        spent.append(1000 * (time.perf_counter() - began))
    return spent


if __name__ == "__main__":
    sys.exit(main())
