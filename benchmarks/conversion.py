"""Conversions that race for a limit: `python benchmarks/conversion.py [CARTS [LIMIT [PROCESSES]]]`.

Every cart has a promotion that may be used LIMIT times in all, and one without a limit. Exactly LIMIT conversions must
succeed, and the rest be refused without a trace.
"""

import multiprocessing
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from arena import arena

from cartctl.adapters.postgres import Postgres
from cartctl.cart.errors import LimitReached
from cartctl.cart.lifecycle.payment import AgreedTotal
from cartctl.cart.store.conversion import convert
from cartctl.cart.store.loading import PricingTerms
from cartctl.cart.store.sql_engine import over

NOW = datetime.now(UTC)
TERMS = PricingTerms(shipping_required=False)
AGREED = AgreedTotal(Decimal("56.94"), "USD")
WORLD = """
INSERT INTO tax_rates (id, "companyId", country, "taxType", name, rate, "updatedAt")
VALUES ('tax', 'avnz', 'US', 'SALES_TAX', 'Sales tax', 0.0725, now());
INSERT INTO promotions (id, "companyId", code, name, type, scope, value, "startsAt", "maxUsesTotal", stackable, "updatedAt")
VALUES ('few', 'avnz', 'FEW', 'Few', 'PERCENTAGE_OFF', 'CART', 10, now() - interval '1 day', {limit}, true, now()),
       ('all', 'avnz', 'ALL', 'All', 'FIXED_AMOUNT_OFF', 'CART', 1, now() - interval '1 day', NULL, true, now());
INSERT INTO carts (id, "companyId", "customerId", "itemCount", "shippingCountry", "updatedAt")
SELECT 'cart-' || n, 'avnz', 'avnz-customer-0' || n % 10, 3, 'US', now() FROM generate_series(1, {carts}) AS n;
INSERT INTO cart_items (id, "cartId", "productId", "productSnapshot", "unitPrice", "originalPrice", "lineTotal", "updatedAt")
SELECT 'line-' || n || '-' || k, 'cart-' || n, 'avnz-product-0' || k, '{{}}', 20, 20, 20, now()
FROM generate_series(1, {carts}) AS n, generate_series(0, 2) AS k;
INSERT INTO cart_promotions (id, "cartId", "promotionId", "discountAmount")
SELECT p || n, 'cart-' || n, p, CASE p WHEN 'few' THEN 5.90 ELSE 1 END FROM generate_series(1, {carts}) AS n, unnest(ARRAY['few', 'all']) AS p;
"""


def race(dsn: str, carts: list[str], start: Any, seen: Any) -> None:
    """Convert each cart; run in a process of its own."""
    postgres, ends = Postgres(dsn), Counter[str]()
    engine = over(lambda: postgres.connect("race", autocommit=False))
    with engine.connect() as connection:
        start.wait()
        for cart in carts:
            try:
                with connection.begin():
                    convert(connection, "avnz", cart, f"order-{cart}", AGREED, NOW, TERMS)
                ends["converted"] += 1
            except LimitReached:
                ends["refused"] += 1
    seen.put(ends)


def main() -> int:
    """The race; the exit code says whether the limit held."""
    given = [int(word) for word in sys.argv[1:]]
    carts, limit, count = (*given, *(1000, 100, 8)[len(given) :])
    with arena() as postgres:
        with postgres.session("benchmark") as connection:
            connection.execute(WORLD.format(carts=carts, limit=limit).encode())
        spawn = multiprocessing.get_context("spawn")
        seen, start = spawn.Queue(), spawn.Barrier(count + 1)
        shares = [[f"cart-{number}" for number in range(part + 1, carts + 1, count)] for part in range(count)]
        processes = [spawn.Process(target=race, args=(postgres.dsn, share, start, seen)) for share in shares]
        for process in processes:
            process.start()
        start.wait()
        began = time.monotonic()
        ends = sum((seen.get(timeout=300) for _ in processes), Counter[str]())
        seconds = time.monotonic() - began
        for process in processes:
            process.join()
        with postgres.session("benchmark") as connection:
            uses = dict(connection.execute('SELECT id, "currentUses" FROM promotions').fetchall())
            [recorded] = connection.execute("SELECT count(*) FROM promotion_usages").fetchone() or [0]
    print(
        f"{carts} conversions, {count} processes, limit {limit}: {dict(ends)}, counted {uses}, recorded {recorded}"
    )
    print(f"{seconds:.1f} s, {carts / seconds:.0f} attempts/s")
    return 0 if ends["converted"] == limit == uses["few"] == uses["all"] and recorded == 2 * limit else 1


if __name__ == "__main__":
    sys.exit(main())
