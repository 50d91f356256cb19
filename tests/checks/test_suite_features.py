"""What a smoke suite can express: chains with captured tokens, every kind of expectation, matrices, retries, limits."""

import json
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cartctl.adapters.documents.json_schema import JsonSchema
from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from cartctl.checks.smoke.suite import Smoke
from cartctl.checks.smoke.suite_file import load_suite
from cartctl.checks.smoke.suite_schema import suite_schema
from cartctl.checks.smoke.targets import Targets
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Interrupted
from cartctl.redaction import redact
from tests.docs.smoke_page import CHAIN as DOCUMENTED
from tests.docs.smoke_page import FIRST
from tests.services import Server
from tests.web import Reply, Web, WebRequest, serve

PodResponse = Callable[[WebRequest], Reply]


class Runner:
    """Writes a suite, runs it against a service, and keeps the requests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: list[WebRequest] = []

    def __call__(
        self, text: str, answer: PodResponse, *, database: Postgres | None = None, **options: Any
    ) -> Checks:
        """The suite's results."""
        path = self.directory / "own.toml"
        path.write_text(text, encoding="utf-8")
        pulse = options.pop("pulse", None) or Pulse()
        with serve(answer) as web:
            self.requests = web.requests
            http = Http(web.url)
            targets = Targets(http, http, http, database)
            return Smoke("smoke", targets, suites=[path], built_in=False, **options).judge(pulse)

    def one(self, more: str, answer: PodResponse, **options: Any) -> CheckResult:
        """The only result of a request for /x with more keys."""
        [result] = self(
            f'[[request]]\nname = "x"\npath = "/x"\nattempts = 1\n{more}', answer, **options
        ).checks
        return result


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """Runs suites."""
    return Runner(tmp_path)


def verdicts(checks: Checks) -> dict[str, str]:
    """Verdicts by name, without the suite's."""
    return {one.name.removeprefix("own: "): one.verdict.value for one in checks.checks}


HANGS = 30.0  # seconds of a response that is not waited for

CHAIN = """
[variables]
password = { env = "SMOKE_PASSWORD" }

[[request]]
name = "login"
method = "POST"
path = "/login"
body = { user = "smoke", password = "{{password}}" }
capture = { token = "$.accessToken", session = { header = "Set-Cookie", pattern = "session=([^;]+)" } }

[[request]]
name = "create"
needs = ["login"]
method = "POST"
path = "/carts"
headers = { Authorization = "Bearer {{token}}", Cookie = "session={{session}}" }
status = [200, 201]
capture = { cart = { jsonpath = "$.id", secret = false }, total = { jsonpath = "$.total", secret = false } }

[[request]]
name = "read"
needs = ["create"]
path = "/carts/{{cart}}?note=a%20b"
headers = { Authorization = "Bearer {{token}}" }
jsonpath = { "$.total" = "{{total}}" }
"""


def shop(request: WebRequest) -> Reply:
    """A small API whose carts need the token of a login."""
    if request.path == "/login":
        accepted = json.loads(request.body) == {"user": "smoke", "password": "correct-horse-battery"}
        cookie = {"Set-Cookie": "session=s3ss10n-c00k1e; HttpOnly"}
        return Reply({"accessToken": "t0k3n-of-the-login"}, 200, cookie) if accepted else Reply({}, 401)
    if request.headers.get("authorization") != "Bearer t0k3n-of-the-login":
        return Reply({"error": f"unauthorized {request.headers.get('authorization')}"}, 401)
    if request.method == "POST":
        return Reply({"id": "c/1", "total": 3}, 201)
    return Reply({"total": 3}) if request.path == "/carts/c%2F1?note=a%20b" else Reply({}, 404)


def test_a_login_provides_the_token_of_later_requests(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured values go into headers, paths and expectations of the requests that need them, also indirectly."""
    monkeypatch.setenv("SMOKE_PASSWORD", "correct-horse-battery")
    assert verdicts(run(CHAIN, shop)) == {"login": "pass", "create": "pass", "read": "pass"}
    create = next(one for one in run.requests if one.path == "/carts")
    assert create.headers["cookie"] == "session=s3ss10n-c00k1e"


def test_captured_tokens_are_masked_in_all_output(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is registered with the one filter before any later response can quote it."""
    monkeypatch.setenv("SMOKE_PASSWORD", "correct-horse-battery")
    run(CHAIN, shop)
    shown = redact("t0k3n-of-the-login s3ss10n-c00k1e correct-horse-battery c/1")
    assert shown == "*** *** *** c/1"


def test_what_needs_a_failed_request_is_not_run(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unknown, names the request that it needs, and sends nothing."""
    monkeypatch.setenv("SMOKE_PASSWORD", "wrong-password-here")
    checks = run(CHAIN, shop)
    assert verdicts(checks) == {"login": "fail", "create": "unknown", "read": "unknown"}
    assert "needs login" in str(checks.checks[1].observed)
    assert [one.path for one in run.requests] == ["/login"]


def test_a_capture_without_a_value_fails(run: Runner) -> None:
    """A login that answers 200 without a token is a failed login."""
    result = run.one('capture = { token = "$.accessToken" }\n', lambda _: Reply({"ok": True}))
    assert result.verdict is Verdict.FAIL
    assert "nothing to capture as 'token'" in str(result.observed)


ITEMS = {"items": [{"price": 3, "name": "hat"}, {"price": 5, "name": "cap"}], "total": "8.00", "next": None}
HEADERS = {"X-Version": "2.0.1", "Cache-Control": "no-store"}
PAGE = Reply(
    '<html><h1 class="t">Your <b>Carts</b></h1><a href="/carts/1">one</a><a href="/carts/2">two</a></html>'
)
JSON = Reply(ITEMS, 200, HEADERS)


@pytest.mark.parametrize(
    ("more", "reply"),
    (
        ('response_headers = { x-version = "^2\\\\.", Server-Timing = false }', JSON),
        ('jsonpath = { "$.items[*].price" = { min = 3, max = 5, type = "integer" } }', JSON),
        ('jsonpath = { "$.items" = { count = 2 }, "$.items[?@.price > 4].name" = "cap" }', JSON),
        ('jsonpath = { "$.error" = { exists = false }, "$.total" = { matches = "^8", min = 8 } }', JSON),
        (
            'jsonpath = { "$.next" = { type = "null" }, "$.items[*]" = { min_count = 1, max_count = 2 } }',
            JSON,
        ),
        ('schema = { required = ["total"], properties = { total = { type = "string" } } }', JSON),
        ('html = { "h1.t" = "Your Carts", "a" = { count = 2, attribute = "href", matches = "/2$" } }', PAGE),
        ('html = { ".error" = { exists = false } }', PAGE),
        ('within = "5s"', JSON),
        ("status = [200, 204]", JSON),
    ),
)
def test_each_expectation_can_pass(run: Runner, more: str, reply: Reply) -> None:
    """A response that is as the suite says."""
    result = run.one(more, lambda _: reply)
    assert result.verdict is Verdict.PASS, result


@pytest.mark.parametrize(
    ("more", "reply", "reason"),
    (
        ('response_headers = { X-Version = "^3" }', JSON, "X-Version is '2.0.1', which does not match '^3'"),
        ('response_headers = { ETag = "." }', JSON, "the header ETag is missing"),
        ("response_headers = { Cache-Control = false }", JSON, "Cache-Control is present"),
        ('jsonpath = { "$.items[*].price" = { max = 4 } }', JSON, "$.items[*].price is 5, more than 4"),
        ('jsonpath = { "$.items[*].price" = { min = 4 } }', JSON, "is 3, less than 4"),
        ('jsonpath = { "$.total" = 8 }', JSON, "$.total is '8.00', not 8"),
        ('jsonpath = { "$.items[0].price" = true }', Reply({"items": [{"price": 1}]}), "is 1, not True"),
        ('jsonpath = { "$.total" = { type = "number" } }', JSON, "not of type number"),
        ('jsonpath = { "$.none" = "x" }', JSON, "$.none matches nothing"),
        ('jsonpath = { "$.items" = { exists = false } }', JSON, "$.items matches 1 values"),
        ('jsonpath = { "$.items" = { count = 3 } }', JSON, "$.items counts 2, not 3"),
        ('jsonpath = { "$.items" = { min_count = 3 } }', JSON, "less than 3"),
        ('jsonpath = { "$.items" = { max_count = 1 } }', JSON, "more than 1"),
        ('jsonpath = { "$.total" = { contains = "9" } }', JSON, "does not contain '9'"),
        ('jsonpath = { "$.total" = { matches = "9" } }', JSON, "does not match '9'"),
        ('schema = { required = ["id"] }', JSON, "id is missing"),
        ('schema = { properties = { total = { type = "number" } } }', JSON, "total is string, not number"),
        ('html = { "h1" = "Orders" }', PAGE, "h1 is 'Your Carts', which does not contain 'Orders'"),
        ('html = { "h2" = "Carts" }', PAGE, "h2 matches no element"),
        ('html = { "a" = { count = 0 } }', PAGE, "a matches 2 elements, expected none"),
        ('html = { "a" = { min_count = 3 } }', PAGE, "less than 3"),
        ('html = { "a" = { attribute = "id", contains = "x" } }', PAGE, "has no attribute id"),
        ('html = { "a" = "one" }', JSON, "application/json instead of HTML"),
        ('contains = "total"', Reply("Internal Server Error: total"), "the page shows an error"),
        ("status = [201, 204]", JSON, "HTTP 200"),
    ),
)
def test_each_expectation_can_fail(run: Runner, more: str, reply: Reply, reason: str) -> None:
    """A response that is not as the suite says, with the value that is wrong."""
    result = run.one(more, lambda _: reply)
    assert (result.verdict, reason in str(result.observed)) == (Verdict.FAIL, True), result.observed


def test_all_differences_are_reported_together(run: Runner) -> None:
    """A person sees in one run what is wrong."""
    more = 'response_headers = { ETag = "." }\ncontains = "hat!"\njsonpath = { "$.total" = 8 }\n'
    observed = str(run.one(more, lambda _: JSON).observed)
    assert all(part in observed for part in ("ETag", "hat!", "$.total"))


def test_a_slow_response_exceeds_its_budget(run: Runner) -> None:
    """`within` is a latency budget: the response is right and late."""

    def slow(_: WebRequest) -> Reply:
        time.sleep(0.15)
        return JSON

    result = run.one('within = "100ms"\n', slow)
    assert result.verdict is Verdict.FAIL
    assert "more than 100 ms" in str(result.observed)


def test_a_schema_file_lies_beside_the_suite(run: Runner) -> None:
    """Its name is relative to the suite's directory."""
    (run.directory / "cart.schema.json").write_text('{"required": ["id"]}')
    assert "id is missing" in str(run.one('schema = "cart.schema.json"\n', lambda _: JSON).observed)


MATRIX = """
matrix = { region = ["eu", "us"] }

[[request]]
name = "login"
path = "/login/{{region}}"
capture = { token = "$.token" }

[[request]]
name = "prices"
needs = ["login"]
path = "/prices?region={{region}}&currency={{currency}}&token={{token}}"
matrix = { currency = ["USD", "EUR"] }
json = { currency = "{{currency}}" }
"""


def test_a_matrix_runs_every_combination_with_its_own_chain(run: Runner) -> None:
    """The suite's matrix repeats chains, a request's matrix the request; every case has a name of its own."""

    def answer(request: WebRequest) -> Reply:
        if request.path.startswith("/login/"):
            return Reply({"token": f"token-for-{request.path[-2:]}"})
        return Reply({"currency": "USD" if "USD" in request.path else "EUR"})

    checks = run(MATRIX, answer)
    assert verdicts(checks) == {
        "login [region=eu]": "pass",
        "prices [region=eu, currency=USD]": "pass",
        "prices [region=eu, currency=EUR]": "pass",
        "login [region=us]": "pass",
        "prices [region=us, currency=USD]": "pass",
        "prices [region=us, currency=EUR]": "pass",
    }
    prices = [one.path for one in run.requests if one.path.startswith("/prices")]
    assert all(f"token-for-{path[15:17]}" in path for path in prices)


def failing(times: int) -> PodResponse:
    """Fails a number of times."""
    replies = iter([Reply({}, 503)] * times)
    return lambda _: next(replies, Reply({}))


@pytest.mark.parametrize(
    ("method", "attempts"), (("GET", 3), ("HEAD", 3), ("POST", 1), ("PUT", 1), ("DELETE", 1))
)
def test_only_requests_that_are_safe_to_repeat_are_retried(run: Runner, method: str, attempts: int) -> None:
    """By default; each attempt is reported."""
    [result] = run(f'[[request]]\nname = "x"\npath = "/x"\nmethod = "{method}"\n', failing(9)).checks
    assert len(run.requests) == attempts
    assert result.verdict is Verdict.FAIL
    assert len(result.attempts) == (attempts if attempts > 1 else 0)


def test_a_post_is_retried_where_the_suite_says_so(run: Runner) -> None:
    """`attempts` on the request; the late pass warns."""
    text = '[[request]]\nname = "x"\npath = "/x"\nmethod = "POST"\nattempts = 2\n'
    [result] = run(text, failing(1)).checks
    assert (result.verdict, [one["verdict"] for one in result.attempts]) == (Verdict.WARN, ["fail", "pass"])


def requests(count: int, more: str = "") -> str:
    """A suite of requests that do not need each other."""
    return "".join(f'[[request]]\nname = "r{i}"\npath = "/{i}"\n{more}' for i in range(count))


def test_requests_run_concurrently_within_a_bound(run: Runner) -> None:
    """Never more than `concurrency`, and as many as that."""
    lock, running, most = threading.Lock(), 0, 0

    def answer(_: WebRequest) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1
        return Reply({})

    assert run("concurrency = 3\n" + requests(9), answer).verdict is Verdict.PASS
    assert most == 3


def test_the_whole_run_has_a_deadline(run: Runner) -> None:
    """A request that is under way ends with it; what has not begun is unknown and sends nothing."""
    gate = threading.Event()

    def slow(_: WebRequest) -> Reply:
        gate.wait(HANGS)
        return Reply({})

    began = time.monotonic()
    checks = run("concurrency = 1\n" + requests(3, "attempts = 1\n"), slow, deadline=0.5)
    assert time.monotonic() - began < HANGS
    gate.set()
    assert verdicts(checks) == {"r0": "fail", "r1": "unknown", "r2": "unknown"}
    assert "the remaining time" in str(checks.checks[0].observed)
    assert "deadline" in str(checks.checks[1].observed)


def test_an_interrupt_ends_a_run_at_once(run: Runner) -> None:
    """Ctrl-C does not wait for a response."""
    pulse, gate = Pulse(), threading.Event()

    def slow(_: WebRequest) -> Reply:
        pulse.alarm(Interrupted("stop"))
        gate.wait(HANGS)
        return Reply({})

    began = time.monotonic()
    with pytest.raises(Interrupted):
        run(requests(3), slow, pulse=pulse)
    assert time.monotonic() - began < HANGS
    gate.set()


def test_critical_only_includes_what_a_critical_request_needs(run: Runner) -> None:
    """The login of a critical request runs too; others do not."""
    text = requests(2) + 'critical = true\nneeds = ["r0"]\n' + requests(3)[len(requests(2)) :]
    assert verdicts(run(text, lambda _: Reply({}), critical_only=True)) == {"r0": "pass", "r1": "pass"}


@pytest.fixture
def database(pg18: Server) -> Iterator[Postgres]:
    """A database with three products, two of them in USD."""
    made = pg18.create_database()
    with made.session("test") as connection:
        connection.execute("CREATE TABLE products (id text, currency text, price numeric(10,2))")
        connection.execute("INSERT INTO products VALUES ('a','USD',1.50), ('b','USD',2.25), ('c','EUR',3)")
    yield made
    pg18.drop(made)


def compared(query: str, jsonpath: str, parameters: str = "{}") -> str:
    """A comparison with the database."""
    return f'database = [{{ query = "{query}", jsonpath = "{jsonpath}", parameters = {parameters} }}]\n'


@pytest.mark.parametrize(
    ("more", "body"),
    (
        (compared("SELECT count(*) FROM products", "$.total"), {"total": 3}),
        (compared("SELECT sum(price) FROM products", "$.sum"), {"sum": "6.75"}),
        (compared("SELECT sum(price) FROM products", "$.sum"), {"sum": 6.75}),
        (compared("SELECT id FROM products ORDER BY id", "$[*].id"), [{"id": "a"}, {"id": "b"}, {"id": "c"}]),
        (compared("SELECT id FROM products ORDER BY id", "$.ids"), {"ids": ["a", "b", "c"]}),
        (compared("SELECT id FROM products WHERE false", "$[*].id"), []),
        (compared("SELECT NULL::text", "$.next"), {"next": None}),
        (
            compared(
                "SELECT count(*) FROM products WHERE currency = %(c)s AND id LIKE '%%'",
                "$.n",
                '{ c = "USD" }',
            ),
            {"n": 2},
        ),
    ),
)
def test_a_value_equals_the_database(run: Runner, database: Postgres, more: str, body: Any) -> None:
    """One value, a list of rows, exact amounts as text, null, and parameters."""
    result = run.one(more, lambda _: Reply(body), database=database)
    assert result.verdict is Verdict.PASS, result


@pytest.mark.parametrize(
    ("more", "body", "reason"),
    (
        (
            compared("SELECT count(*) FROM products", "$.total"),
            {"total": 2},
            "$.total is 2, the database has 3",
        ),
        (
            compared("SELECT count(*) FROM products", "$.n"),
            {"total": 3},
            "$.n matches nothing; the database has 3",
        ),
        (compared("SELECT sum(price) FROM products", "$.s"), {"s": "6.750001"}, "the database has '6.75'"),
        (
            compared("SELECT id FROM products ORDER BY id", "$.ids"),
            {"ids": ["a", "b"]},
            "the database has ['a'",
        ),
        (compared("SELECT true", "$.b"), {"b": 1}, "$.b is 1, the database has True"),
    ),
)
def test_a_value_that_differs_from_the_database_fails(
    run: Runner, database: Postgres, more: str, body: Any, reason: str
) -> None:
    """Both values are reported."""
    result = run.one(more, lambda _: Reply(body), database=database)
    assert (result.verdict, reason in str(result.observed)) == (Verdict.FAIL, True), result.observed


@pytest.mark.parametrize(
    ("query", "reason"),
    (
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM products", "column .nothing. does not exist"),
        ("SELECT 1; DROP TABLE products", "multiple commands"),
        ("SELECT %(missing)s", "missing"),
    ),
)
def test_an_invalid_query_is_named_before_anything_is_requested(
    run: Runner, database: Postgres, query: str, reason: str
) -> None:
    """File, line and key; exit code 2."""
    parameters = "{ other = 1 }" if "missing" in query else "{}"
    with pytest.raises(
        ConfigError, match=rf"own.toml:5: `request\[0\].database\[0\].query`.*{reason}"
    ) as caught:
        run.one(compared(query, "$", parameters), lambda _: JSON, database=database)
    assert caught.value.exit_code == 2
    assert not run.requests


@pytest.mark.parametrize(
    ("query", "reason"),
    (
        (
            "WITH gone AS (DELETE FROM products RETURNING 1) SELECT count(*) FROM gone",
            "read-only transaction",
        ),
        ("SELECT pg_sleep(20)", "statement timeout"),
        ("SELECT id, price FROM products", "2 columns"),
        ("SELECT setval('s', 5)", "read-only transaction"),
    ),
)
def test_a_query_changes_nothing_and_ends(run: Runner, database: Postgres, query: str, reason: str) -> None:
    """A query that would write, or runs too long, is unknown."""
    with database.session("test") as connection:
        connection.execute("CREATE SEQUENCE s")
    text = 'statement_timeout = "300ms"\n[[request]]\nname = "x"\npath = "/x"\n' + compared(query, "$.total")
    [result] = run(text, lambda _: Reply({"total": 3}), database=database).checks
    assert (result.verdict, reason in str(result.observed)) == (Verdict.UNKNOWN, True), result.observed
    with database.session("test") as connection:
        assert connection.execute("SELECT count(*) FROM products").fetchone() == (3,)


def test_a_database_that_always_changes_is_unknown(run: Runner, database: Postgres) -> None:
    """A value is compared only if it was the same before the request and after the response."""

    def growing(_: WebRequest) -> Reply:
        with database.session("test") as connection:
            connection.execute("INSERT INTO products VALUES ('d', 'USD', 1)")
        return Reply({"total": 3})

    result = run.one(compared("SELECT count(*) FROM products", "$.total"), growing, database=database)
    assert result.verdict is Verdict.UNKNOWN
    assert "changed during every attempt" in str(result.observed)


def test_a_write_is_compared_with_what_it_left(run: Runner, database: Postgres) -> None:
    """A POST is sent once and compared with the database after it."""

    def create(_: WebRequest) -> Reply:
        with database.session("test") as connection:
            connection.execute("INSERT INTO products VALUES ('d', 'USD', 1)")
        return Reply({"total": 4})

    more = 'method = "POST"\n' + compared("SELECT count(*) FROM products", "$.total")
    assert run.one(more, create, database=database).verdict is Verdict.PASS
    assert len(run.requests) == 1


def test_the_suites_own_dsn_comes_first(
    run: Runner, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a reference to a secret."""
    monkeypatch.setenv("SHOP_DSN", database.dsn)
    text = 'dsn = { env = "SHOP_DSN" }\n[[request]]\nname = "x"\npath = "/x"\n'
    text += compared("SELECT count(*) FROM products", "$.total")
    assert run(text, lambda _: Reply({"total": 3})).verdict is Verdict.PASS


def test_without_a_database_a_comparison_warns(run: Runner) -> None:
    """It is neither silent nor a failure: a pipeline may have no DSN."""
    result = run.one(compared("SELECT 1", "$.total"), lambda _: Reply({"total": 3}))
    assert result.verdict is Verdict.WARN
    assert "not compared with the database" in str(result.observed)


def test_a_database_that_is_down_is_unknown(run: Runner) -> None:
    """What could not be compared is not a pass."""
    down = Postgres("postgresql://nobody@127.0.0.1:1/none")
    result = run.one(compared("SELECT 1", "$.total"), lambda _: Reply({"total": 3}), database=down)
    assert result.verdict is Verdict.UNKNOWN
    assert "does not respond" in str(result.observed)


def test_two_parallel_services_are_not_mixed(run: Runner) -> None:
    """The dashboard's pages are requested from the dashboard."""
    with serve(lambda _: Reply("<h1>Dashboard</h1>")) as dashboard, serve(lambda _: Reply({})) as api:
        path = run.directory / "own.toml"
        path.write_text(
            '[[request]]\nname = "x"\npath = "/"\nbase = "dashboard"\nhtml = { h1 = "Dashboard" }\n'
        )
        assert smoke(path, api, dashboard).judge(Pulse()).verdict is Verdict.PASS


def smoke(path: Path, api: Web, dashboard: Web) -> Smoke:
    """A suite against two services."""
    http = Http(api.url)
    return Smoke("smoke", Targets(http, http, Http(dashboard.url), None), suites=[path], built_in=False)


@pytest.mark.parametrize(
    "text",
    (
        FIRST,
        DOCUMENTED,
        CHAIN,
        MATRIX,
        compared("SELECT 1", "$").join(("[[request]]\nname='x'\npath='/'\n", "")),
    ),
)
def test_the_documented_suites_are_valid(tmp_path: Path, text: str) -> None:
    """For the reader and for the JSON Schema."""
    path = tmp_path / "own.toml"
    path.write_text(text)
    assert load_suite(path).request
    assert not list(JsonSchema(suite_schema()).violations(tomllib.loads(text)))


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    """An unknown key and a wrong type."""
    schema = JsonSchema(suite_schema())
    for request in (
        {"name": "x"},
        {"name": "x", "path": "/", "stauts": 1},
        {"name": "x", "path": "/", "within": 5},
    ):
        assert list(schema.violations({"request": [request]}))
