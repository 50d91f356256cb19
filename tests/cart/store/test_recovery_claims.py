"""Recovery mails (D10): to customers who have not bought, one per customer and window, each claimed once."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from cartctl.cart.lifecycle import recovery
from cartctl.cart.lifecycle.recovery import Shopper
from cartctl.cart.store import jobs
from cartctl.cart.store.checkout.payments import end_payment, start_payment
from cartctl.cart.store.checkout.stored_cart import load_stored
from cartctl.cart.store.recovery.candidates import EMAIL_INDEX
from cartctl.cart.store.sql_engine import Connection, naive
from tests.cart.store.shop import HOUR, NOW, TERMS, Shop
from tests.cart.store.test_jobs import executed, plan_of_text

MINUTE = timedelta(minutes=1)
LIMITS = Path(__file__).parents[3] / "docs/limits.md"


@pytest.fixture(autouse=True, params=(False, True), ids=("grouped", "by index"))
def email_index(shop: Shop, request: pytest.FixtureRequest) -> None:
    """Every rule holds without the optional index of e-mails and with it."""
    if request.param:
        shop.run(EMAIL_INDEX.replace("CONCURRENTLY", ""))


def customer(shop: Shop, name: str, email: str = "") -> str:
    """A customer of the shop; gives the id."""
    shop.insert(
        "customers",
        id=name,
        companyId="shop",
        email=email or f"{name}@shop.example",
        firstName="C",
        lastName="C",
    )
    return name


def claimed(shop: Shop, unsubscribed_sql: str | None = None) -> set[str]:
    """The carts that a mail is claimed for now."""
    result = shop.do(lambda c: jobs.claim_recovery(c, NOW, unsubscribed_sql=unsubscribed_sql))
    return {claim.cart_id for claim in result}


def candidates_of_all_kinds(shop: Shop) -> set[str]:
    """Carts on both sides of each condition of D10, of a customer each; gives those that are due for a mail."""
    of = {name: customer(shop, name) for name in "abcdefghijkl"}
    due = {shop.abandoned(1), shop.abandoned(71.9, customerId=of["a"])}
    due.add(shop.abandoned(5, customerId=of["b"], expiresAt=NOW + MINUTE))
    shop.abandoned(5, customerId=of["c"], expiresAt=NOW)
    shop.abandoned(0.9, customerId=of["d"])
    shop.abandoned(72, customerId=of["e"])
    shop.abandoned(5, customerId=of["f"], recoveryEmailSent=True)
    shop.abandoned(5, customerId=of["g"], itemCount=0)
    shop.abandoned(5, customerId=None)
    shop.abandoned(5, customerId="mute")
    shop.abandoned(5, customerId="eve")  # another company's, to whom this one does not write (D12)
    shop.abandoned(5, customerId=of["h"], status="ACTIVE")
    return due


def test_recovery_claims_the_candidates(shop: Shop) -> None:
    """In the window, unsent, not empty, not expired and contactable: claimed once, with the mailer's key."""
    due = candidates_of_all_kinds(shop)
    result = shop.do(lambda c: jobs.claim_recovery(c, NOW))
    assert {claim.cart_id for claim in result} == due
    assert all(claim.company_id == "shop" and claim.abandoned_at.tzinfo for claim in result)
    sent = shop.all('SELECT id FROM carts WHERE "recoveryEmailSentAt" IS NOT NULL')
    assert {cart for (cart,) in sent} == due
    assert claimed(shop) == set()


def test_the_database_and_the_rules_agree_on_candidates(shop: Shop) -> None:
    """The statement of the job and the domain's own rule name the same carts."""
    due = candidates_of_all_kinds(shop)
    mute = {None, "mute", "eve"}

    def by_rule(connection: Connection) -> set[str]:
        results = set()
        for cart_id in shop.statuses():
            cart = load_stored(connection, "shop", cart_id, locked=False).cart
            shopper = Shopper(cart.customer_id not in mute)
            results |= {cart_id} if recovery.is_candidate(cart, shopper, naive(NOW)) else set()
        return results

    assert shop.do(by_rule) == due


@pytest.mark.parametrize("buyer", ("ada", "ada2"))
@pytest.mark.parametrize(("hours", "prevented"), ((5.5, True), (6.5, False)))
def test_whoever_has_bought_since_is_not_written_to(
    shop: Shop, buyer: str, hours: float, prevented: bool
) -> None:
    """A conversion after the cart's last activity, also before it was abandoned, by any account with the e-mail."""
    customer(shop, "ada2", " Ada@SHOP.example")
    cart = shop.abandoned(5)  # last activity 6 hours ago
    shop.cart(
        customerId=buyer,
        status="CONVERTED",
        orderId="o",
        convertedAt=NOW - hours * HOUR,
        lastActivityAt=NOW - 9 * HOUR,
    )
    assert claimed(shop) == (set() if prevented else {cart})


def test_another_customers_or_companys_conversion_prevents_nothing(shop: Shop) -> None:
    """What others bought is no reason, nor what somebody with the same e-mail bought in another company."""
    shop.run("UPDATE customers SET email = 'ada@shop.example' WHERE id = 'eve'")
    cart = shop.abandoned(5)
    shop.cart(customerId="ben", status="CONVERTED", orderId="o1", convertedAt=NOW)
    shop.cart(customerId="eve", companyId="other", status="CONVERTED", orderId="o2", convertedAt=NOW)
    assert claimed(shop) == {cart}


@pytest.mark.parametrize("owner", ("ada", "ada2"))
@pytest.mark.parametrize(
    ("status", "items", "prevented"),
    (
        ("ACTIVE", 1, True),
        ("ABANDONED", 1, True),
        ("ACTIVE", 0, False),
        ("MERGED", 1, False),
        ("EXPIRED", 1, False),
    ),
)
def test_a_newer_cart_is_a_reason_not_to_write(
    shop: Shop, owner: str, status: str, items: int, prevented: bool
) -> None:
    """A customer who has gone on shopping is not reminded of the older cart; an empty or merged one is no sign of that."""
    customer(shop, "ada2", "ADA@shop.example")
    cart = shop.abandoned(5)
    shop.cart(customerId=owner, status=status, itemCount=items, lastActivityAt=NOW - MINUTE)
    assert (cart in claimed(shop)) is not prevented


def test_one_mail_per_customer_however_many_carts(shop: Shop) -> None:
    """Of many abandoned carts the latest is written for, then none until the window is over; ties go by id."""
    customer(shop, "ada2", "ADA@shop.example")
    owners = ("ada", "ada2")
    *_, next_one, latest = [
        shop.abandoned(hours, customerId=name) for hours in (30, 20, 10) for name in owners
    ]
    assert claimed(shop) == {latest}
    shop.run(f"UPDATE carts SET status = 'ACTIVE', \"itemCount\" = 0 WHERE id = '{latest}'")
    assert claimed(shop) == set()
    later = 70 * HOUR
    shop.run('UPDATE carts SET "abandonedAt" = "abandonedAt" + interval \'70 hours\'')
    assert shop.do(lambda c: jobs.claim_recovery(c, NOW + later)) == []
    shop.run('UPDATE carts SET "abandonedAt" = "abandonedAt" + interval \'3 hours\'')
    [claim] = shop.do(lambda c: jobs.claim_recovery(c, NOW + later + 3 * HOUR))
    assert claim.cart_id == next_one


def test_a_customer_who_is_paying_is_not_written_to(shop: Shop) -> None:
    """Neither for the cart that is being paid for nor for another one, until the payment has ended."""
    paid = shop.abandoned(3)
    older = shop.abandoned(5)
    total = shop.total(paid)
    shop.do(lambda c: start_payment(c, "shop", paid, "p", total, NOW - MINUTE, TERMS))
    shop.run(
        f"UPDATE carts SET status = 'ABANDONED', \"lastActivityAt\" = \"lastActivityAt\" - interval '9 hours' WHERE id = '{paid}'"
    )
    assert claimed(shop) == set()
    shop.do(lambda c: end_payment(c, "shop", paid, "p", NOW))
    assert claimed(shop) == {older}


def test_whoever_unsubscribed_is_not_written_to(shop: Shop) -> None:
    """The configured query says who that is; it may have a semicolon, a colon and a percent sign."""
    shop.run(
        "CREATE TABLE unsubscribes (customer TEXT, why TEXT); INSERT INTO unsubscribes VALUES ('ada', 'a:b%')"
    )
    shop.abandoned(5)
    other = shop.abandoned(5, customerId="ben")
    query = "SELECT customer FROM unsubscribes WHERE why LIKE 'a:%' AND why <> 'x'::text;"
    assert claimed(shop, query) == {other}


def test_workers_beside_each_other_write_once_to_a_customer(shop: Shop) -> None:
    """Six workers on one customer's carts claim one of them."""
    for hours in range(2, 42):
        shop.abandoned(hours)
    results: set[str] = set()
    workers = [threading.Thread(target=lambda: results.update(claimed(shop))) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == {"cart-0001"}


def test_a_claim_is_revoked_only_for_the_same_abandonment(shop: Shop) -> None:
    """A definite rejection resets the flag; one for a cart that came back meanwhile does nothing."""
    shop.abandoned(5)
    [claim] = shop.do(lambda c: jobs.claim_recovery(c, NOW))
    shop.run("UPDATE carts SET status = 'ACTIVE'")
    assert not shop.do(lambda c: jobs.reject_recovery(c, claim, NOW))
    shop.run("UPDATE carts SET status = 'ABANDONED'")
    assert shop.do(lambda c: jobs.reject_recovery(c, claim, NOW))
    assert not shop.do(lambda c: jobs.reject_recovery(c, claim, NOW))
    assert shop.do(lambda c: jobs.claim_recovery(c, NOW)) == [claim]


def test_where_the_index_of_emails_exists_they_are_looked_up(
    shop: Shop, request: pytest.FixtureRequest
) -> None:
    """The claim groups all e-mails without it, and uses it where it is; its statement is the documented one."""
    with_index = "by index" in request.node.name
    shop.abandoned(5)
    statements: list[str] = []
    event.listen(shop.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert len(claimed(shop)) == 1
    assert any("HAVING count(*)" in each for each in statements) is not with_index
    assert " ".join(EMAIL_INDEX.split()) in LIMITS.read_text(encoding="utf-8")


def test_a_run_of_small_batches_claims_all_that_is_due(shop: Shop) -> None:
    """Each batch begins where the last one ended, and the last one looks from the beginning again."""
    due = candidates_of_all_kinds(shop)
    position, taken = jobs.Position(), set()
    while result := shop.do(lambda c: jobs.claim_recovery(c, NOW, size=2, position=position)):
        taken |= {claim.cart_id for claim in result}
    assert taken == due


def test_carts_are_put_in_order_before_any_is_examined(shop: Shop) -> None:
    """Without the index in their order the claim sorts what may be due, and examines no more than it needs."""
    for name in shop.customers(30):
        shop.abandoned(5, customerId=name)
    shop.run("ANALYZE carts, customers")
    statement, parameters = executed(shop, lambda c: jobs.claim_recovery(c, NOW, size=3))[-1]
    plan = plan_of_text(shop.database, statement, parameters)
    assert plan.index("Limit") < plan.index("Nested Loop") < plan.index("Sort") < plan.index("LockRows"), plan
    assert "LockRows" not in plan[: plan.index("Sort")]


def test_companies_with_candidates(shop: Shop) -> None:
    """Those of which a cart is due, and no other; their other carts are not examined."""
    assert shop.do(lambda c: jobs.waiting_companies(c, NOW)) == []
    candidates_of_all_kinds(shop)
    shop.abandoned(80, companyId="other", customerId="eve")
    assert shop.do(lambda c: jobs.waiting_companies(c, NOW)) == ["shop"]
    shop.abandoned(5, companyId="other", customerId="eve")
    shop.run("ANALYZE carts")
    [*_, (statement, parameters)] = executed(shop, lambda c: jobs.waiting_companies(c, NOW))
    assert shop.do(lambda c: jobs.waiting_companies(c, NOW)) == ["other", "shop"]
    plan = plan_of_text(shop.database, statement, parameters)
    assert "idx_carts_recovery_candidates" in plan, plan
    assert "Recursive Union" in plan, plan


def test_the_plan_of_a_claim_finds_emails_by_the_index(shop: Shop) -> None:
    """One lookup for each candidate instead of a look at every customer."""
    shop.run(EMAIL_INDEX.replace("CONCURRENTLY", "").replace("INDEX ", "INDEX IF NOT EXISTS "))
    statement = jobs.candidates(NOW, by_email_index=True)
    compiled = statement.compile(dialect=PGDialect_psycopg())  # type: ignore[no-untyped-call]
    with shop.database.session("tests") as connection:
        for other in (
            "seqscan",
            "bitmapscan",
            "hashjoin",
            "mergejoin",
        ):  # of so few customers anything is quick
            connection.execute(f"SET enable_{other} = off".encode())
        rows = connection.execute(f"EXPLAIN {compiled}".encode(), compiled.params).fetchall()
    assert any("customers_canonical_email" in row[0] for row in rows), rows
