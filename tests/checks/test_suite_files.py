"""Smoke suites from files: every kind of bad file is one sentence, every expectation is looked at."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Http
from cartctl.checks.smoke.suite import Smoke
from cartctl.checks.smoke.suite_file import load_suite
from cartctl.checks.smoke.targets import Targets
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from tests.web import Reply, WebRequest, serve

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a suite called `own`."""

    def make(text: str) -> Path:
        path = tmp_path / "own.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def run(path: Path, answer: Callable[[WebRequest], Reply], *, critical_only: bool = False) -> Checks:
    """The suite's results against a service."""
    with serve(answer) as web:
        http = Http(web.url, token="t0ken")
        smoke = Smoke(
            "smoke",
            Targets(http, http.without_token(), None, None),
            suites=[path],
            built_in=False,
            critical_only=critical_only,
        )
        return smoke.judge(Pulse())


def one(path: Path, answer: Callable[[WebRequest], Reply]) -> CheckResult:
    """The only result."""
    [result] = run(path, answer).checks
    return result


REQUEST = '[[request]]\nname = "products"\npath = "/api/products"\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    (
        ("[[request]\n", 0, "not valid TOML|not UTF-8"),
        ("[[request]]\npath = '/x'\n", 1, r"`request\[0\].name` is missing"),
        (
            REQUEST + "stauts = 200\n",
            4,
            r"`request\[0\].stauts` .in 'products'. is not a known key; .* `status`",
        ),
        (REQUEST + "status = 2000\n", 4, r"`request\[0\].status\[0\]`"),
        (REQUEST + "attempts = 0\n", 4, r"`request\[0\].attempts`"),
        (REQUEST + 'method = "BREW"\n', 4, r"`request\[0\].method`"),
        (REQUEST.replace('"/api', '"http://evil/api'), 3, r"`request\[0\].path`"),
        (REQUEST + 'shape = { a = "strings" }\n', 4, r"`request\[0\].shape.a`"),
        (REQUEST + "body = 2020-01-01\n", 4, r"`request\[0\].body`"),
        (REQUEST + "body = { at = [07:32:00] }\n", 4, r"`request\[0\].body`"),
        (REQUEST + "body = [nan]\n", 4, r"`request\[0\].body`"),
        (REQUEST + 'json = { "$.at" = "now" }\n', 4, "json.*is a JSONPath: use jsonpath"),
        (REQUEST + 'shape = { "$.at" = "string" }\n', 4, "shape.*is a JSONPath: use jsonpath"),
        (REQUEST + 'json = { "0.at" = 2020-01-01T00:00:00Z }\n', 4, r"`request\[0\].json"),
        ("requests = []\n", 1, "`requests` is not a known key; did you mean `request`"),
        ("name = 1\n", 1, "`name`"),
        (REQUEST + '[request.jsonpath]\n"$.a[" = 1\n', 5, "jsonpath.*is not a valid JSONPath: unbalanced"),
        (REQUEST + '[request.html]\n"h1[[" = "x"\n', 5, "html.*is not a valid CSS selector"),
        (REQUEST + 'schema = { type = "objec" }\n', 4, "schema.*is not a valid JSON Schema at type"),
        (REQUEST + 'schema = { "$ref" = "http://x/y" }\n', 4, "schema.*refers to another document"),
        (REQUEST + 'schema = "none.json"\n', 4, "schema.*none.json: file not found"),
        (REQUEST + "within = 500\n", 4, 'within.*has no unit: write "500s"'),
        (REQUEST + 'within = "5x"\n', 4, "within.*is not a valid duration: '5x'"),
        (REQUEST + 'response_headers = { ETag = "(" }\n', 4, "response_headers.*regular expression"),
        (REQUEST + 'jsonpath = { "$.a" = { matches = "[" } }\n', 4, "jsonpath.*regular expression"),
        (REQUEST + 'jsonpath = { "$.a" = { mtches = "x" } }\n', 4, "mtches`.* is not a known key"),
        (REQUEST + 'jsonpath = { "$.a" = {} }\n', 4, "expects nothing"),
        (REQUEST + 'needs = ["login"]\n', 4, "needs.*names an unknown request 'login'"),
        (REQUEST + 'needs = ["products"]\n', 4, "needs.*is circular"),
        (REQUEST + REQUEST, 5, r"`request\[1\].name`.*repeats 'products'"),
        (REQUEST + 'body = { a = "{{token}}" }\n', 4, "uses {{token}}, which is not defined"),
        (REQUEST + "matrix = { n = [] }\n", 4, "matrix"),
        (REQUEST + 'capture = { t = { header = "X", jsonpath = "$" } }\n', 4, "either jsonpath or header"),
        ("concurrency = 0\n" + REQUEST, 1, "concurrency"),
    ),
)
def test_a_bad_file_is_named_with_line_and_key(write: Write, text: str, line: int, reason: str) -> None:
    """The sentence says which file, line and key, and what is wrong."""
    with pytest.raises(ConfigError, match=reason) as caught:
        load_suite(write(text))
    assert (f"own.toml:{line}: " if line else "own.toml: ") in caught.value.message
    assert "\n" not in caught.value.message.rstrip()
    assert caught.value.exit_code == 2


def test_a_missing_a_huge_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    """No traceback for what is no suite at all."""
    with pytest.raises(ConfigError, match="file not found"):
        load_suite(tmp_path / "none.toml")
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (2 * 1024 * 1024))
    with pytest.raises(ConfigError, match="larger"):
        load_suite(huge)
    binary = tmp_path / "b.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"not valid TOML|not UTF-8"):
        load_suite(binary)


def test_a_file_without_a_name_is_called_by_its_own(write: Write) -> None:
    """The file's name, or the one inside."""
    assert load_suite(write(REQUEST)).name == "own"
    assert load_suite(write('name = "shop"\n' + REQUEST)).name == "shop"


def test_a_right_answer_passes(write: Write) -> None:
    """Status, values, types and text all as asked for."""
    more = (
        'json = { "0.currency" = "USD" }\nshape = { "" = "array", "0.price" = "number" }\ncontains = "hat"\n'
    )
    result = one(write(REQUEST + more), lambda _: Reply([{"currency": "USD", "price": 1.5, "name": "hat"}]))
    assert (result.name, result.verdict) == ("own: products", Verdict.PASS)


@pytest.mark.parametrize(
    ("more", "reply", "expected"),
    (
        ("", Reply({}, 404), "HTTP 404"),
        ("status = 201\n", Reply({}), "HTTP 200"),
        ("json = { a = 1 }\n", Reply({"a": 2}), "a is 2, not 1"),
        ("json = { a = 1 }\n", Reply({"a": True}), "a is True"),
        ("json = { a = 1 }\n", Reply({}), "no a"),
        ('shape = { a = "number" }\n', Reply({"a": True}), "a is not of type number"),
        ('shape = { "" = "array" }\n', Reply({}), "is not of type array"),
        ('shape = { "0.a" = "string" }\n', Reply([]), "no 0.a"),
        ('contains = "hat"\n', Reply("shoes"), "shoes"),
        ("json = { a = 1 }\n", Reply("<html>"), "is not JSON"),
    ),
)
def test_each_expectation_can_fail(write: Write, more: str, reply: Reply, expected: str) -> None:
    """Whatever is not as asked for fails and is told."""
    result = one(write(REQUEST + more), lambda _: reply)
    assert result.verdict is Verdict.FAIL
    assert expected in str(result.observed)


def test_a_request_goes_out_as_written(write: Write) -> None:
    """Method, headers, body and the absence of a token."""
    requests: list[WebRequest] = []

    def keep(request: WebRequest) -> Reply:
        requests.append(request)
        return Reply("", 204)

    more = 'method = "POST"\nheaders = { X-One = "1" }\nbody = { n = 1 }\ntoken = false\nstatus = 204\n'
    assert one(write(REQUEST + more), keep).verdict is Verdict.PASS
    assert (requests[0].method, requests[0].headers["x-one"], requests[0].body.replace(" ", "")) == (
        "POST",
        "1",
        '{"n":1}',
    )
    assert "authorization" not in requests[0].headers


def test_a_late_pass_warns_with_its_attempts(write: Write) -> None:
    """What passes only the second time is not simply fine."""
    replies = iter((Reply("", 500), Reply("ok")))
    result = one(write(REQUEST + "attempts = 3\n"), lambda _: next(replies))
    assert result.verdict is Verdict.WARN
    assert [attempt["verdict"] for attempt in result.attempts] == [Verdict.FAIL, Verdict.PASS]


def test_attempts_end(write: Write) -> None:
    """What never passes fails after so many attempts."""
    result = one(write(REQUEST + "attempts = 2\n"), lambda _: Reply("", 500))
    assert (result.verdict, len(result.attempts)) == (Verdict.FAIL, 2)


def test_nothing_executed_is_never_success(write: Write) -> None:
    """An empty suite, and one without anything critical, fails."""
    assert run(write(""), lambda _: Reply()).verdict is Verdict.FAIL
    assert run(write(REQUEST), lambda _: Reply(), critical_only=True).verdict is Verdict.FAIL


def test_only_critical_requests_are_requested_with_critical_only(write: Write) -> None:
    """The critical ones alone."""
    other = REQUEST.replace("products", "orders") + "critical = true\n"
    names = [
        check.name for check in run(write(REQUEST + other), lambda _: Reply(), critical_only=True).checks
    ]
    assert names == ["own: orders"]


def test_a_page_without_a_dashboard_is_unknown(write: Write) -> None:
    """What cannot be asked is not passed over."""
    assert one(write(REQUEST + 'base = "dashboard"\n'), lambda _: Reply()).verdict is Verdict.UNKNOWN
