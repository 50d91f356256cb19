"""The background jobs: what they take, what they leave, and that workers beside each other never take one thing twice."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from cartctl.adapters.postgres import Postgres
from cartctl.cart.enums import CartStatus
from cartctl.cart.lifecycle import states
from cartctl.cart.store import jobs
from cartctl.cart.store.sql_engine import Connection, naive
from tests.cart.store.shop import HOUR, NOW, Shop, held
from tests.cart.store.stored_cart import load_cart


def test_carts_past_their_time_expire(shop: Shop) -> None:
    """D1: ACTIVE and ABANDONED carts with expiresAt ≤ now expire, ended and open ones stay, nor does activity change."""
    past, now = NOW - HOUR, NOW
    gone = {shop.cart(expiresAt=now), shop.cart(expiresAt=past), shop.abandoned(5, expiresAt=past)}
    kept = {
        shop.cart(expiresAt=NOW + HOUR),
        shop.cart(expiresAt=None),
        shop.cart(expiresAt=past, status="CONVERTED"),
        shop.cart(expiresAt=past, status="MERGED"),
    }
    before = shop.all('SELECT id, "lastActivityAt" FROM carts ORDER BY id')
    assert shop.do(lambda c: jobs.expire_carts(c, NOW)) == 3
    after = shop.statuses()
    assert {cart for cart, status in after.items() if status == "EXPIRED"} == gone
    assert kept <= after.keys()
    assert shop.all('SELECT id, "lastActivityAt" FROM carts ORDER BY id') == before
    assert shop.do(lambda c: jobs.expire_carts(c, NOW)) == 0


def test_a_payment_in_flight_keeps_a_cart_from_expiring(shop: Shop) -> None:
    """D1: a cart that is being paid for does not expire under the shopper."""
    payment = '{"payment": {"id": "p", "startedAt": "2026-03-04T11:50:00.000Z", "expiresAt": "2026-03-04T12:%s:00.000Z"}}'
    paying = shop.cart(expiresAt=NOW - HOUR, metadata=payment % "01")
    done = shop.cart(expiresAt=NOW - HOUR, metadata=payment % "00")
    assert shop.do(lambda c: jobs.expire_carts(c, NOW)) == 1
    assert (shop.statuses()[paying], shop.statuses()[done]) == ("ACTIVE", "EXPIRED")


def test_carts_left_alone_are_abandoned(shop: Shop) -> None:
    """D1: active carts with something in them and no activity for an hour are abandoned, at this moment."""
    left = shop.cart(lastActivityAt=NOW - HOUR)
    shop.cart(lastActivityAt=NOW - HOUR + timedelta(seconds=1))
    shop.cart(lastActivityAt=NOW - 5 * HOUR, itemCount=0)
    assert shop.do(lambda c: jobs.abandon_carts(c, NOW)) == 1
    assert shop.all("SELECT id, \"abandonedAt\" FROM carts WHERE status = 'ABANDONED'") == [
        (left, naive(NOW))
    ]


def test_sessions_past_their_time_expire(shop: Shop) -> None:
    """D1: ACTIVE sessions with expiresAt ≤ now become EXPIRED; merged and revoked ones stay what they are."""
    for name, status, age in (
        ("due", "ACTIVE", HOUR),
        ("open", "ACTIVE", -HOUR),
        ("merged", "MERGED", HOUR),
        ("revoked", "REVOKED", HOUR),
    ):
        shop.insert(
            "cross_site_sessions",
            id=name,
            companyId="shop",
            sessionToken=name,
            status=status,
            expiresAt=naive(NOW - age),
            updatedAt=naive(NOW),
        )
    assert shop.do(lambda c: jobs.expire_sessions(c, NOW)) == 1
    assert dict(shop.all("SELECT id, status::text FROM cross_site_sessions")) == {
        "due": "EXPIRED",
        "open": "ACTIVE",
        "merged": "MERGED",
        "revoked": "REVOKED",
    }


def test_the_database_and_the_rules_agree_on_what_is_due(shop: Shop) -> None:
    """Expiry and abandonment move exactly the carts that the domain's rule moves, to the same state (D1)."""
    for status in CartStatus:
        for expires in (None, NOW - HOUR, NOW, NOW + HOUR):
            for idle in (0, 1, 2):
                shop.cart(status=status.value, expiresAt=expires, lastActivityAt=NOW - idle * HOUR)

    def expected(connection: Connection) -> dict[str, str]:
        results = {}
        for cart_id, status in shop.statuses().items():
            cart = load_cart(connection, "shop", cart_id)
            assert cart is not None
            results[cart_id] = states.due(cart, naive(NOW)) or status
        return {cart_id: str(status) for cart_id, status in results.items()}

    result = shop.do(expected)
    shop.do(lambda c: jobs.expire_carts(c, NOW))
    shop.do(lambda c: jobs.abandon_carts(c, NOW))
    assert shop.statuses() == result


@pytest.mark.parametrize(
    "job",
    (
        jobs.expire_carts,
        jobs.abandon_carts,
        lambda c, now, **given: len(jobs.claim_recovery(c, now, **given)),
    ),
)
def test_jobs_stay_within_the_companies_requested(shop: Shop, job: Callable[..., int]) -> None:
    """D12: a job that is run for one company leaves every other company's carts alone."""
    for company, customer in (("shop", "ada"), ("other", "eve")):
        given: dict[str, Any] = {"companyId": company, "customerId": customer, "itemCount": 0}
        shop.cart(**given, expiresAt=NOW - HOUR)
        idle = shop.cart(**{**given, "customerId": None}, lastActivityAt=NOW - 2 * HOUR)
        left = shop.abandoned(5, **given)
        shop.run(f"UPDATE carts SET \"itemCount\" = 1 WHERE id IN ('{idle}', '{left}')")
    before = shop.all("SELECT * FROM carts WHERE \"companyId\" = 'other' ORDER BY id")
    assert shop.do(lambda c: job(c, NOW, companies=["shop"])) > 0
    assert shop.all("SELECT * FROM carts WHERE \"companyId\" = 'other' ORDER BY id") == before
    assert shop.do(lambda c: job(c, NOW, companies=["shop", "other"])) > 0


def test_a_batch_takes_no_more_than_its_size_and_skips_what_is_locked(shop: Shop) -> None:
    """A worker takes its batch and leaves the rows of another one's open batch alone, without waiting for it."""
    for _ in range(10):
        shop.cart(expiresAt=NOW - HOUR)
    with held(shop) as first:
        assert jobs.expire_carts(first, NOW, size=4) == 4
        assert shop.do(lambda c: jobs.expire_carts(c, NOW, size=4)) == 4
        assert shop.do(lambda c: jobs.expire_carts(c, NOW, size=4)) == 2
    assert shop.do(lambda c: jobs.expire_carts(c, NOW, size=10)) == 4


def test_workers_beside_each_other_claim_each_cart_once(shop: Shop) -> None:
    """Six workers on 300 abandoned carts: every cart is claimed by exactly one of them."""
    carts = {shop.abandoned(5, customerId=customer) for customer in shop.customers(60)}
    claimed: Counter[str] = Counter()
    guard = threading.Lock()

    def work() -> None:
        while result := shop.do(lambda c: jobs.claim_recovery(c, NOW, size=7)):
            with guard:
                claimed.update(claim.cart_id for claim in result)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert claimed.keys() == carts
    assert set(claimed.values()) == {1}


def test_a_run_passes_what_it_left_alone_only_once(shop: Shop) -> None:
    """A batch begins where the last one ended; at the end the run looks from the beginning for what has come up since."""
    carts = [
        shop.cart(lastActivityAt=NOW - 2 * HOUR, expiresAt=NOW + number * HOUR, itemCount=number % 2)
        for number in range(1, 9)
    ]
    position = jobs.Position()
    assert shop.do(lambda c: jobs.abandon_carts(c, NOW, size=2, position=position)) == 2
    assert position.at == naive(NOW + 3 * HOUR)
    shop.run(f"UPDATE carts SET \"itemCount\" = 1 WHERE id IN ('{carts[1]}', '{carts[5]}')")
    taken = [shop.do(lambda c: jobs.abandon_carts(c, NOW, size=2, position=position)) for _ in range(4)]
    assert taken == [2, 1, 1, 0]
    assert sum(status == "ABANDONED" for status in shop.statuses().values()) == 6


def test_every_kind_of_idle_cart_is_abandoned_whatever_the_size_of_batches(shop: Shop) -> None:
    """Carts that still live, that never expire, and that are overdue and being paid for."""
    payment = '{"payment": {"id": "p", "expiresAt": "2026-03-04T12:01:00.000Z"}}'
    idle = {"lastActivityAt": NOW - 2 * HOUR}
    for _ in range(3):
        shop.cart(**idle, expiresAt=NOW + HOUR)
        shop.cart(**idle, expiresAt=None)
        shop.cart(**idle, expiresAt=NOW - HOUR, metadata=payment)
    kept = shop.cart(**idle, expiresAt=NOW - HOUR)
    position = jobs.Position()
    while shop.do(lambda c: jobs.abandon_carts(c, NOW, size=2, position=position)):
        pass
    assert {cart for cart, status in shop.statuses().items() if status == "ACTIVE"} == {kept}


def test_abandoning_begins_behind_the_overdue_carts(shop: Shop) -> None:
    """However many of them wait for expiry, a batch reads none."""
    shop.run(
        """INSERT INTO carts (id, "companyId", "itemCount", "lastActivityAt", "expiresAt", "updatedAt")
           SELECT 'overdue-' || n, 'shop', 1, timestamp '2026-01-01', timestamp '2026-02-01', now() FROM generate_series(1, 3000) AS n"""
    )
    due = shop.cart(lastActivityAt=NOW - 2 * HOUR, expiresAt=NOW + HOUR)
    shop.run("ANALYZE carts")
    statements = executed(shop, lambda c: jobs.abandon_carts(c, NOW, size=1))
    assert shop.statuses()[due] == "ABANDONED"
    [(statement, parameters)] = [one for one in statements if one[0].lstrip().startswith("WITH taken")]
    assert 'expiresAt" >' in plan_of_text(shop.database, statement, parameters).split("Index Cond", 1)[1]


def executed(shop: Shop, call: Callable[[Connection], object]) -> list[tuple[str, Any]]:
    """The statements of a call, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def note(*given: Any) -> None:
        statements.append((given[2], given[3]))

    event.listen(shop.engine, "before_cursor_execute", note)
    try:
        shop.do(call)
    finally:
        event.remove(shop.engine, "before_cursor_execute", note)
    return statements


def plan_of_text(database: Postgres, statement: str, parameters: Any, *settings: str) -> str:
    """The plan of a statement as it was executed."""
    with database.session("tests") as connection:
        for setting in ("enable_seqscan = off", *settings):
            connection.execute(f"SET {setting}".encode())
        rows = connection.execute(f"EXPLAIN {statement}".encode(), parameters).fetchall()
    return "\n".join(row[0] for row in rows)


def plan_of(database: Postgres, statement: Any) -> str:
    """The plan of a job's statement, as the server would run it."""
    compiled = statement.compile(dialect=jobs_dialect())
    with database.session("tests") as connection:
        connection.execute("SET enable_seqscan = off")
        rows = connection.execute(f"EXPLAIN {compiled}".encode(), compiled.params).fetchall()
    return "\n".join(row[0] for row in rows)


def jobs_dialect() -> Any:
    """How SQLAlchemy speaks to psycopg."""
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    return PGDialect_psycopg()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("statement", "index"),
    (
        (jobs.due_to_expire(jobs.DUE, NOW), "idx_carts_expiration"),
        (jobs.candidates(NOW, ["shop"]), "idx_carts_recovery_candidates"),
        (jobs.due_sessions(NOW), "idx_cross_site_sessions_cleanup"),
    ),
)
def test_each_partial_index_serves_its_job(shop: Shop, statement: Any, index: str) -> None:
    """The three jobs run on the three partial indexes: their predicates stand in the statements as literals."""
    for _ in range(5):
        shop.abandoned(5)
        shop.cart(expiresAt=NOW)
    shop.run("ANALYZE carts")
    assert index in plan_of(shop.database, statement)
