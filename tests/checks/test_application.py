"""Health, pages, the built-in smoke suite and its JUnit report, against small applications that break in every way."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cartctl.adapters.http.client import Http
from cartctl.checks.probes.health import Health, OldHealth
from cartctl.checks.probes.pages import PAGES, Pages
from cartctl.checks.smoke.suite import Smoke
from cartctl.checks.smoke.targets import Targets
from cartctl.engine.model import Check, CheckResult, Verdict
from cartctl.engine.pulse import Pulse
from tests.web import Reply, Web, WebRequest, serve

TOKEN = "t0ken"
CLOSED = "/api/admin/"
EMPTY_STATS: dict[str, Any] = dict.fromkeys(
    ("total", "active", "abandoned", "converted", "merged", "expired"), 0
)
HEALTHY: dict[str, Any] = {
    "/health": {"status": "ok", "version": "2.0.0", "database": "up"},
    "/api/auth/session": {"user": {}, "company": {"id": "avnz"}},
    "/api/payments/health": {"status": "ok"},
    "/api/orders/health": {"status": "ok"},
    "/api/admin/carts": [],
    "/api/admin/carts/stats": {**EMPTY_STATS, "totalValue": "0.00"},
    "/api/admin/ecommerce-analytics/overview": {
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-02-01T00:00:00Z",
        "currencies": [],
    },
    **{path: f'<!doctype html><main class="x" data-page="{marker}">' for path, marker in PAGES.items()},
}


class Application:
    """Answers well, but for what a test changes: path → Reply or body."""

    def __init__(self) -> None:
        self.change: dict[str, Any] = {}

    def answer(self, request: WebRequest) -> Reply:
        """Admin paths are closed without the token."""
        if request.path in self.change:
            changed = self.change[request.path]
            return changed if isinstance(changed, Reply) else Reply(changed)
        closed = request.path.startswith(CLOSED) or request.path == "/api/auth/session"
        if closed and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply({"error": "unauthorized"}, 401)
        return Reply(HEALTHY[request.path]) if request.path in HEALTHY else Reply({}, 404)


@pytest.fixture
def application() -> Application:
    """A healthy one."""
    return Application()


@pytest.fixture
def web(application: Application) -> Iterator[Web]:
    """It, served."""
    with serve(application.answer) as running:
        yield running


def smoke(web: Web, **options: Any) -> Smoke:
    """The built-in suite against it."""
    http = Http(web.url, token=TOKEN)
    return Smoke("smoke", Targets(http, http.without_token(), http, None), **options)


def judged(check: Check) -> dict[str, CheckResult]:
    """Results by name."""
    return {result.name: result for result in check.judge(Pulse()).checks}


def verdicts(check: Check) -> dict[str, Verdict]:
    """Verdicts by name."""
    return {name: result.verdict for name, result in judged(check).items()}


def test_a_healthy_application_passes_everything(web: Web) -> None:
    """Critical paths, health, endpoints, closed doors, pages."""
    result = verdicts(smoke(web))
    assert set(result.values()) == {Verdict.PASS}
    assert {name.partition(":")[0] for name in result} == {
        "critical",
        "health",
        "endpoints",
        "closed",
        "pages",
    }
    assert len(result) == 15


def test_critical_only_asks_the_three_paths_alone(web: Web) -> None:
    """Auth, payments, orders."""
    assert list(verdicts(smoke(web, critical_only=True))) == [
        "critical: auth",
        "critical: payments",
        "critical: orders",
    ]
    assert len(web.requests) == 3


BROKEN: tuple[tuple[str, Any, str], ...] = (
    ("/api/payments/health", Reply({"status": "down"}, 503), "critical: payments"),
    ("/api/payments/health", {"status": "degraded"}, "critical: payments"),
    ("/api/payments/health", "ok", "critical: payments"),
    ("/api/auth/session", {"user": {}}, "critical: auth"),
    ("/api/auth/session", Reply({}, 401), "critical: auth"),
    ("/api/orders/health", Reply({}, 500), "critical: orders"),
    ("/health", {"status": "down"}, "health: /health"),
    ("/health", {"status": "ok", "database": "down"}, "health: /health"),
    ("/health", [], "health: /health"),
    ("/carts", Reply("<main>", 500), "pages: /carts"),
    ("/carts", {"page": "carts"}, "pages: /carts"),
    ("/carts", HEALTHY["/carts/abandoned"], "pages: /carts"),
    ("/carts", HEALTHY["/carts"] + "<div data-error='x'>", "pages: /carts"),
    ("/carts", HEALTHY["/carts"] + "Application error: a client-side exception", "pages: /carts"),
    ("/insights/ecommerce", "<html>Sign in</html>", "pages: /insights/ecommerce"),
    ("/carts/abandoned", Reply("", 302, {"Location": "http://localhost:9/login"}), "pages: /carts/abandoned"),
)


@pytest.mark.parametrize(("path", "change", "name"), BROKEN)
def test_each_thing_that_breaks_is_found(
    application: Application, web: Web, path: str, change: Any, name: str
) -> None:
    """One broken answer fails its own check alone."""
    application.change[path] = change
    result = verdicts(smoke(web))
    assert [check for check, verdict in result.items() if verdict is not Verdict.PASS] == [name]
    assert result[name] is Verdict.FAIL


def test_an_open_door_is_a_failure(application: Application, web: Web) -> None:
    """An admin path that answers strangers fails, and says why that is bad."""
    application.change["/api/admin/carts"] = []
    result = judged(smoke(web))["closed: /api/admin/carts"]
    assert result.verdict is Verdict.FAIL
    assert "require an admin token" in result.hint


def test_a_disabled_feature_and_a_refused_token_say_what_to_do(application: Application, web: Web) -> None:
    """The hint names the setting."""
    application.change["/api/admin/carts/stats"] = Reply({"error": "feature_disabled"}, 404)
    assert (
        "internal_companies"
        in judged(Health("health.api", Http(web.url, token=TOKEN), attempts=1))["/api/admin/carts/stats"].hint
    )
    application.change["/api/admin/carts/stats"] = Reply({}, 403)
    assert (
        "http.token"
        in judged(Health("health.api", Http(web.url, token=TOKEN), attempts=1))["/api/admin/carts/stats"].hint
    )


def test_an_api_that_is_away_fails_everything() -> None:
    """No answer is no good answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        http = Http(f"http://127.0.0.1:{free.getsockname()[1]}", token=TOKEN)
        assert set(verdicts(Smoke("smoke", Targets(http, http, http, None))).values()) == {Verdict.FAIL}


def test_health_reports_the_version(web: Web) -> None:
    """And asks exactly the document's two requests and /health."""
    result = judged(Health("health.api", Http(web.url, token=TOKEN)))
    assert result["/health"].observed == "version 2.0.0"
    assert sorted(set(web.paths())) == [
        "/api/admin/carts/stats",
        "/api/admin/ecommerce-analytics/overview",
        "/health",
    ]


def test_health_gives_a_new_replica_a_second_chance(application: Application, web: Web) -> None:
    """A first answer that fails is kept among the attempts; what goes on failing fails."""
    application.change["/health"] = Reply({}, 502)
    pulse = Pulse(sleep=lambda _: application.change.clear())
    [first, *_] = Health("health.api", Http(web.url, token=TOKEN)).judge(pulse).checks
    assert (first.verdict, len(first.attempts)) == (Verdict.PASS, 2)
    application.change["/health"] = Reply({}, 502)
    [first, *_] = Health("health.api", Http(web.url, token=TOKEN), attempts=2).judge(Pulse()).checks
    assert (first.verdict, len(first.attempts)) == (Verdict.FAIL, 2)


def test_the_old_version_needs_no_cart(application: Application, web: Web) -> None:
    """Without the admin endpoints it is healthy by /health and the critical paths."""
    for path in ("/api/admin/carts", "/api/admin/carts/stats", "/api/admin/ecommerce-analytics/overview"):
        application.change[path] = Reply({}, 404)
    assert verdicts(OldHealth("health.old", Http(web.url, token=TOKEN))) == dict.fromkeys(
        ("/health", "auth", "payments", "orders"), Verdict.PASS
    )


def test_the_old_version_without_its_database_is_a_warning(application: Application, web: Web) -> None:
    """Going back goes on while the database is down; a path that fails for another reason fails."""
    application.change["/health"] = {"status": "ok", "version": "1.0.0", "database": "down"}
    application.change["/api/orders/health"] = Reply({"error": "database_unavailable"}, 503)
    check = OldHealth("health.old", Http(web.url, token=TOKEN), attempts=1)
    assert check.judge(Pulse()).verdict is Verdict.WARN
    application.change["/api/orders/health"] = Reply({}, 500)
    assert check.judge(Pulse()).verdict is Verdict.FAIL


def test_pages_are_requested_with_the_token(web: Web) -> None:
    """The dashboard knows whose pages are meant."""
    Pages("pages", Http(web.url, token=TOKEN)).judge(Pulse())
    assert {request.headers["authorization"] for request in web.requests} == {f"Bearer {TOKEN}"}


def test_libraries_for_suites_are_imported_when_a_suite_needs_them(web: Web) -> None:
    """The built-in suite starts without what reads suites, JSONPath, schemas, HTML and YAML."""
    code = (
        "import sys; from cartctl.cli import app; from typer.testing import CliRunner\n"
        f"result = CliRunner().invoke(app, ['smoke', '--url', '{web.url}', '--suite', 'built-in'])\n"
        "assert 'critical' in result.stdout, result.output\n"
        "late = ('jsonpath_rfc9535', 'jsonschema_rs', 'selectolax', 'yaml', 'cartctl.checks.smoke.suite_model')\n"
        "print([name for name in late if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
