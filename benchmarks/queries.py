"""How fast the queries that must stay fast are, for the largest company: `python benchmarks/queries.py [CARTS [COMPANIES]]`.

Each is asked 40 times on a warm cache; the 95th percentile counts. Batches are written and taken back. `churned` asks
again after a tenth of the company's carts was changed and nobody has vacuumed.
"""

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from arena import arena, filled
from sqlalchemy import Connection, text

from cartctl.cart.analytics import Period
from cartctl.cart.enums import CartStatus
from cartctl.cart.store import cart_statistics, jobs
from cartctl.cart.store.repositories import CartFilter, Carts, PageKey
from cartctl.cart.store.sql_engine import over

COMPANY = "avnz"
TIMES = 40
LIMIT = 100.0  # milliseconds
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
PERIOD = Period(NOW - timedelta(days=30), NOW)

EXPIRES = text('carts."expiresAt"')

Query = Callable[[Connection], Any]


def reads(connection: Connection) -> dict[str, Query]:
    """What admins ask."""
    first = Carts(connection, COMPANY).page(CartFilter())
    abandoned = Carts(connection, COMPANY).page(CartFilter(CartStatus.ABANDONED), size=100)
    deep = PageKey(NOW.replace(tzinfo=None) - timedelta(days=60), "")
    one = first[0]["id"]
    return {
        "list": lambda c: Carts(c, COMPANY).page(CartFilter()),
        "list, deep page": lambda c: Carts(c, COMPANY).page(CartFilter(), deep),
        "list by status": lambda c: Carts(c, COMPANY).page(CartFilter(CartStatus.ABANDONED)),
        "list by status, deep page": lambda c: Carts(c, COMPANY).page(CartFilter(CartStatus.ABANDONED), deep),
        "list by customer": lambda c: Carts(c, COMPANY).page(
            CartFilter(customer_id=f"{COMPANY}-shopper-00003")
        ),
        "list by site": lambda c: Carts(c, COMPANY).page(CartFilter(site_id=f"{COMPANY}-outlet")),
        "detail": lambda c: Carts(c, COMPANY).detail(one),
        "stats": lambda c: cart_statistics.stats(c, COMPANY),
        "overview, 30 days": lambda c: cart_statistics.overviews(c, COMPANY, PERIOD),
        "abandoned page with candidates": lambda c: Carts(c, COMPANY).candidates(
            NOW, [row["id"] for row in abandoned]
        ),
        "recovery candidates, 500": lambda c: c.execute(jobs.candidates(NOW, [COMPANY]).limit(500)).all(),
        "recovery candidates, 500, all companies": lambda c: c.execute(jobs.candidates(NOW).limit(500)).all(),
        "carts to expire, 500": lambda c: c.execute(jobs.due_to_expire(jobs.DUE, NOW).limit(500)).all(),
        "abandoned carts to expire, 500": lambda c: c.execute(
            jobs.due_to_expire(jobs.LEFT, NOW).order_by(EXPIRES).limit(500)
        ).all(),
        "sessions to end, 500": lambda c: c.execute(jobs.due_sessions(NOW).limit(500)).all(),
    }


WRITES: dict[str, Query] = {
    "recovery, a batch of 500 claimed": lambda c: jobs.claim_recovery(c, NOW, companies=[COMPANY]),
    "expire, a batch of 500 written": lambda c: jobs.expire_carts(c, NOW),
    "cleanup, a batch of 500 written": lambda c: jobs.expire_sessions(c, NOW),
    "delete a product": lambda c: c.execute(text("DELETE FROM products WHERE id = 'unsold'")),
    "delete a customer": lambda c: c.execute(
        text(f"DELETE FROM customers WHERE id = '{COMPANY}-shopper-00500'")
    ),
    "delete a site": lambda c: c.execute(text("DELETE FROM sites WHERE id = 'unused'")),
}
BESIDES: dict[str, Query] = {
    "carts to abandon, 500": lambda c: c.execute(jobs.due_to_abandon(NOW).order_by(EXPIRES).limit(500)).all(),
    "abandon, a batch of 500 written": lambda c: jobs.abandon_carts(c, NOW),
}
UNUSED = f"""INSERT INTO products (id, "companyId", name, category, price) VALUES ('unsold', '{COMPANY}', 'U', 'k', 1);
INSERT INTO sites (id, "companyId", name, domain) VALUES ('unused', '{COMPANY}', 'U', 'unused.example')"""
PARTIAL = {
    "idx_carts_recovery_candidates": jobs.candidates(NOW, [COMPANY])
    .order_by(text('carts."abandonedAt"'))
    .limit(500),
    "idx_carts_expiration": jobs.due_to_expire(jobs.DUE, NOW).order_by(text('carts."expiresAt"')).limit(500),
    "idx_cross_site_sessions_cleanup": jobs.due_sessions(NOW).limit(500),
}


def measured(connection: Connection, query: Query) -> list[float]:
    """Milliseconds of each time."""
    seconds = []
    for number in range(TIMES + 3):
        with connection.begin() as transaction:
            began = time.perf_counter()
            query(connection)
            seconds.append(time.perf_counter() - began)
            transaction.rollback()
        if number < 3:
            seconds.clear()  # warming up
    return [1000 * each for each in seconds]


def show(connection: Connection, queries: dict[str, Query]) -> bool:
    """Measure and print; gives whether every one is fast enough."""
    fine = True
    for name, query in queries.items():
        found = measured(connection, query)
        p95 = statistics.quantiles(found, n=20)[-1]
        fine &= p95 < LIMIT
        print(
            f"{name:42} p50 {statistics.median(found):8.1f} ms   p95 {p95:8.1f} ms{'' if p95 < LIMIT else '   SLOW'}"
        )
    return fine


def plans(connection: Connection) -> bool:
    """Whether each partial index is the one that its job runs on, with the planner left alone."""
    fine = True
    for index, statement in PARTIAL.items():
        compiled = statement.compile(connection.engine)
        with connection.begin():
            rows = connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {compiled}", compiled.params).all()
        used = any(index in row[0] for row in rows)
        fine &= used
        print(f"{index:42} {'used' if used else 'NOT USED'}")
        if not used:
            print("\n".join(row[0] for row in rows))
    return fine


def main() -> int:
    """Everything; the exit code says whether all of it is fast enough."""
    carts, companies = (int(word) for word in (*sys.argv[1:], "1000000", "1000")[:2])
    with arena() as postgres:
        print(filled(postgres, carts, companies))
        engine = over(lambda: postgres.connect("benchmark", autocommit=False))
        with engine.connect() as connection:
            with connection.begin():
                connection.execute(text(UNUSED))
                mine = connection.scalar(
                    text(f"SELECT count(*) FROM carts WHERE \"companyId\" = '{COMPANY}'")
                )
            print(f"{carts} carts, {companies} companies, {mine} of the largest")
            fine = plans(connection)
            with connection.begin():
                asked = reads(connection)
            fine &= show(connection, asked)
            fine &= show(connection, WRITES)
            with connection.begin():
                connection.execute(
                    text(f"UPDATE carts SET version = 1 WHERE \"companyId\" = '{COMPANY}' AND id LIKE '%1'")
                )
            print("besides, without a limit:")
            show(connection, BESIDES)
            print("with the index of cancelled orders:")
            with connection.begin():
                connection.execute(text(cart_statistics.CANCELLED_INDEX.replace("CONCURRENTLY", "")))
            show(connection, {name: asked[name] for name in ("stats", "overview, 30 days")})
            with connection.begin():
                connection.execute(text("DROP INDEX carts_cancelled"))
            print("churned:")
            fine &= show(
                connection, {name: asked[name] for name in ("stats", "overview, 30 days", "list by status")}
            )
        engine.dispose()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
