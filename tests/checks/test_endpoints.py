"""The endpoints' values against a real database: right answers pass, each wrong one is told, moving ones are unknown."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from cartctl.checks.probes.endpoints import Endpoints
from cartctl.engine.model import CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from tests.services import Server
from tests.web import Reply, WebRequest, serve

LIST, STATS, OVERVIEW = (
    "/api/admin/carts",
    "/api/admin/carts/stats",
    "/api/admin/ecommerce-analytics/overview",
)
CARTS = """
CREATE TABLE carts (
    id text PRIMARY KEY, "companyId" text NOT NULL, status text NOT NULL, currency text NOT NULL, "itemCount" int NOT NULL,
    "grandTotal" numeric(12, 2) NOT NULL, "createdAt" timestamp(3) NOT NULL, "abandonedAt" timestamp(3),
    "convertedAt" timestamp(3), metadata jsonb NOT NULL DEFAULT '{}'
)
"""
STATUSES = ("ACTIVE", "ABANDONED", "CONVERTED", "MERGED", "EXPIRED")
END = datetime(2026, 6, 1, tzinfo=UTC)
BEGIN = END - timedelta(days=30)


@dataclass(frozen=True)
class Cart:
    """A row."""

    id: str
    company: str
    status: str
    currency: str
    items: int
    total: Decimal
    created: datetime
    abandoned: datetime | None
    converted: datetime | None


def some_carts(count: int, seed: int) -> list[Cart]:
    """So many carts of two companies, over more than the period."""
    dice = random.Random(seed)
    results = []
    for number in range(count):
        status = dice.choice(STATUSES)
        created = END - timedelta(hours=dice.uniform(1, 24 * 40))
        left = status == "ABANDONED" or dice.random() < 0.3
        results.append(
            Cart(
                f"c{number}",
                dice.choice(("avnz", "avnz", "other")),
                status,
                dice.choice(("USD", "EUR")),
                dice.choice((0, 1, 2)),
                Decimal(dice.randrange(0, 30000)) / 100,
                created,
                created + timedelta(hours=dice.uniform(0, 40)) if left else None,
                created + timedelta(hours=dice.uniform(0, 40)) if status == "CONVERTED" else None,
            )
        )
    return results


class Service:
    """An application that answers by Python, from the rows, independently of the check's SQL."""

    def __init__(self, carts: list[Cart]) -> None:
        self.carts = [cart for cart in carts if cart.company == "avnz"]
        self.change: dict[str, Callable[[Any], Any]] = {}
        self.session: Any = {"user": {"id": "u"}, "company": {"id": "avnz", "name": "AVNZ"}}
        self.before_answer: Callable[[str], None] = lambda _: None

    def answer(self, request: WebRequest) -> Reply:
        """One request."""
        if request.path == "/api/auth/session":
            return self.session if isinstance(self.session, Reply) else Reply(self.session)
        self.before_answer(request.path)
        body = {LIST: self.listed, STATS: self.stats, OVERVIEW: self.overview}[request.path]()
        changed = self.change.get(request.path, lambda body: body)(body)
        return changed if isinstance(changed, Reply) else Reply(json.loads(json.dumps(changed)))

    def listed(self) -> Any:
        """The newest, at most 50."""
        return [{"id": cart.id, "status": cart.status} for cart in self.carts[:50]]

    def stats(self) -> Any:
        """Counts, and the sum of what is neither merged nor expired, of one currency."""
        counts = {name.lower(): sum(cart.status == name for cart in self.carts) for name in STATUSES}
        kept = [cart for cart in self.carts if cart.status not in {"MERGED", "EXPIRED"}]
        total = f"{sum((cart.total for cart in kept), Decimal(0)):.2f}"
        one = len({cart.currency for cart in kept}) <= 1
        return {"total": len(self.carts), **counts, "totalValue": total if one else None}

    def overview(self) -> Any:
        """As the domain's definitions say."""
        rows = []
        for currency in sorted({cart.currency for cart in self.carts}):
            own = [cart for cart in self.carts if cart.currency == currency]
            cohort = [c for c in own if BEGIN <= c.created < END and c.status != "MERGED" and c.items > 0]
            bought = [c for c in cohort if c.status == "CONVERTED"]
            left = [c for c in cohort if c.abandoned]
            back = [c for c in bought if c.abandoned and c.converted and c.abandoned < c.converted]
            orders = [c for c in own if c.converted and BEGIN <= c.converted < END]
            if not cohort and not orders:
                continue
            rows.append(
                {
                    "currency": currency,
                    "carts": len(cohort),
                    "conversionRate": share(len(bought), len(cohort)),
                    "abandonmentRate": share(sum(c.status != "CONVERTED" for c in left), len(cohort)),
                    "recoveryRate": share(len(back), len(left)),
                    "averageOrderValue": share(sum(c.total for c in orders), len(orders), "0.01"),
                }
            )
        return {
            "from": BEGIN.isoformat(),
            "to": "2026-06-01T00:00:00.000Z",
            "currencies": rows,
            "bySiteType": [],
        }


def share(part: Any, whole: int, unit: str = "0.0001") -> str | None:
    """Half up, null without a denominator."""
    return str((Decimal(part) / whole).quantize(Decimal(unit), ROUND_HALF_UP)) if whole else None


@dataclass
class World:
    """A service over a database, and the check's results by endpoint."""

    service: Service
    database: Postgres

    def judge(self, *, database: bool = True, settle: float = 5.0) -> dict[str, CheckResult]:
        """Look once."""
        with serve(self.service.answer) as web:
            check = Endpoints("endpoints", Http(web.url), self.database if database else None, settle=settle)
            return {result.name: result for result in check.judge(Pulse()).checks}

    def add(self, cart: Cart) -> None:
        """Write one more row to the database alone."""
        insert(self.database, [cart])


def insert(database: Postgres, carts: list[Cart]) -> None:
    """Write rows."""
    with database.session("test") as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO carts VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    c.id,
                    c.company,
                    c.status,
                    c.currency,
                    c.items,
                    c.total,
                    plain(c.created),
                    plain(c.abandoned),
                    plain(c.converted),
                )
                for c in carts
            ],
        )


def plain(moment: datetime | None) -> datetime | None:
    """UTC without a zone."""
    return moment.replace(tzinfo=None) if moment else None


@pytest.fixture
def make(pg18: Server) -> Iterator[Callable[[int], World]]:
    """Makes a world with so many carts."""
    database = pg18.create_database()

    def build(count: int, seed: int = 7) -> World:
        with database.session("test") as connection:
            connection.execute("DROP TABLE IF EXISTS carts")
            connection.execute(CARTS)
        carts = some_carts(count, seed)
        insert(database, carts)
        return World(Service(carts), database)

    yield build
    pg18.drop(database)


@pytest.mark.parametrize("count", (0, 1, 3, 15, 200))
def test_right_answers_pass(make: Callable[[int], World], count: int) -> None:
    """Empty, small and paged lists, zero and real figures."""
    for name, result in make(count).judge().items():
        assert result.verdict is Verdict.PASS, (name, result)


def test_all_three_endpoints_are_looked_at(make: Callable[[int], World]) -> None:
    """One result each."""
    assert set(make(0).judge()) == {LIST, STATS, OVERVIEW}


def other_rate(body: Any) -> Any:
    """A conversion off by one in the fourth decimal."""
    row = body["currencies"][0]
    return {
        **body,
        "currencies": [
            {**row, "conversionRate": str(Decimal(row["conversionRate"]) + Decimal("0.0001"))},
            *body["currencies"][1:],
        ],
    }


WRONG: tuple[tuple[str, Callable[[Any], Any], str], ...] = (
    (LIST, lambda body: body[1:], "missing"),
    (LIST, lambda body: [*body, {"id": "c-of-others", "status": "ACTIVE"}], "another company or of none"),
    (LIST, lambda body: [*body[1:], body[1]], "twice"),
    (LIST, lambda body: [{**body[0], "status": "LOST"}, *body[1:]], "status differs"),
    (LIST, lambda body: {"carts": body}, "not an array"),
    (LIST, lambda body: [{"name": "x"}], "without an id"),
    (LIST, lambda _: [], "missing"),
    (STATS, lambda body: {**body, "total": body["total"] + 1}, "total is"),
    (STATS, lambda body: {**body, "active": 99}, "active is 99"),
    (STATS, lambda body: {**body, "totalValue": "much"}, "no number in totalValue"),
    (STATS, lambda body: {k: v for k, v in body.items() if k != "merged"}, "no number in merged"),
    (STATS, lambda body: {**body, "expired": True}, "no number in expired"),
    (STATS, lambda body: {**body, "expired": "NaN"}, "no number in expired"),
    (STATS, lambda _: [], "not an object"),
    (OVERVIEW, other_rate, "conversionRate is"),
    (OVERVIEW, lambda body: {**body, "currencies": body["currencies"][1:]}, "is missing"),
    (
        OVERVIEW,
        lambda body: {
            **body,
            "currencies": [*body["currencies"], {**body["currencies"][0], "currency": "XTS"}],
        },
        "XTS is not in",
    ),
    (
        OVERVIEW,
        lambda body: {**body, "currencies": [{**row, "recoveryRate": None} for row in body["currencies"]]},
        "recoveryRate is None",
    ),
    (OVERVIEW, lambda body: {**body, "from": "yesterday"}, "no time in from"),
    (OVERVIEW, lambda body: {**body, "currencies": {}}, "no list"),
    (OVERVIEW, lambda body: {**body, "currencies": [{"currency": "USD", "carts": 1}]}, "a currency without"),
    (STATS, lambda _: Reply({"error": "x"}, 500), "HTTP 500"),
    (STATS, lambda _: Reply("<html>"), "is not JSON"),
)


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    WRONG,
    ids=[f"{path.rpartition('/')[2]}-{expected}" for path, _, expected in WRONG],
)
def test_a_wrong_response_is_reported(
    make: Callable[[int], World], path: str, change: Callable[[Any], Any], expected: str
) -> None:
    """Each broken answer fails its own endpoint and no other, and says what is wrong."""
    world = make(18)
    world.service.change[path] = change
    results = world.judge()
    assert results[path].verdict is Verdict.FAIL
    assert expected in str(results[path].observed)
    assert [name for name, result in results.items() if result.verdict is not Verdict.PASS] == [path]


def test_a_cart_the_api_does_not_know_is_a_failure(make: Callable[[int], World]) -> None:
    """A row in the database alone breaks the list and the figures."""
    world = make(3)
    world.add(Cart("late", "avnz", "ACTIVE", "USD", 1, Decimal(5), END - timedelta(days=1), None, None))
    assert {result.verdict for result in world.judge().values()} == {Verdict.FAIL}


def test_another_companys_carts_do_not_matter(make: Callable[[int], World]) -> None:
    """Only the token's company is compared."""
    world = make(3)
    world.add(Cart("theirs", "other", "ACTIVE", "USD", 1, Decimal(5), END - timedelta(days=1), None, None))
    assert {result.verdict for result in world.judge().values()} == {Verdict.PASS}


def test_a_change_between_the_two_readings_is_looked_at_again(make: Callable[[int], World]) -> None:
    """A cart written while the API answers is no mismatch: the look is repeated."""
    world = make(3)
    late = Cart("late", "avnz", "ACTIVE", "USD", 1, Decimal(5), END - timedelta(days=1), None, None)
    done: list[str] = []

    def meanwhile(path: str) -> None:
        if path == STATS and not done:
            done.append(path)
            world.add(late)  # the API answers from before it
        elif path == STATS:
            world.service.carts.append(late)
            world.service.before_answer = lambda _: None

    world.service.before_answer = meanwhile
    assert world.judge()[STATS].verdict is Verdict.PASS


def test_values_that_never_stand_still_are_unknown(make: Callable[[int], World]) -> None:
    """Under constant change nothing is claimed, and the time is bounded."""
    world = make(3)
    number = iter(range(100_000))

    def meanwhile(path: str) -> None:
        if path == STATS:
            world.add(Cart(f"n{next(number)}", "avnz", "ACTIVE", "USD", 0, Decimal(5), END, None, None))

    world.service.before_answer = meanwhile
    result = world.judge(settle=0.4)[STATS]
    assert result.verdict is Verdict.UNKNOWN
    assert "changed during every attempt" in str(result.observed)


def test_without_a_database_only_the_shape_is_judged(make: Callable[[int], World]) -> None:
    """Against an address alone a wrong value passes, a wrong shape does not."""
    world = make(3)
    world.service.change[STATS] = lambda body: {**body, "total": 99}
    world.service.change[LIST] = lambda _: {}
    verdicts = {name: result.verdict for name, result in world.judge(database=False).items()}
    assert verdicts == {LIST: Verdict.FAIL, STATS: Verdict.PASS, OVERVIEW: Verdict.PASS}


@pytest.mark.parametrize("session", ({}, {"company": None}, {"company": {"name": "x"}}, []))
def test_a_session_without_a_company_is_a_failure(make: Callable[[int], World], session: Any) -> None:
    """Without the token's company there is nothing to compare with."""
    world = make(0)
    world.service.session = session
    assert [result.verdict for result in world.judge().values()] == [Verdict.FAIL]


def test_a_session_that_fails_is_reported_by_its_status(make: Callable[[int], World]) -> None:
    """A 500 of the session is that, not a company that is missing."""
    world = make(0)
    world.service.session = Reply({"error": "internal"}, 500)
    [result] = world.judge().values()
    assert result.verdict is Verdict.FAIL
    assert "HTTP 500" in str(result.observed)


def test_a_company_given_by_its_id_is_understood(make: Callable[[int], World]) -> None:
    """The session may name the company as text."""
    world = make(3)
    world.service.session = {"company": "avnz"}
    assert {result.verdict for result in world.judge().values()} == {Verdict.PASS}


def test_a_database_that_is_down_is_unknown(make: Callable[[int], World]) -> None:
    """No truth to compare with is no verdict on the API."""
    world = make(0)
    world.database = Postgres("host=127.0.0.1 port=9 dbname=x user=y")
    assert [result.verdict for result in world.judge().values()] == [Verdict.UNKNOWN]
