"""What every response of the reference service carries, and that no client can multiply its metrics."""

import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from tests.sandbox.served import served, write_flags, write_tokens

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
    "vary": "Authorization, Cookie",
}
PAGES = (
    "/",
    "/carts",
    "/carts/abandoned",
    "/carts/none",
    "/insights/ecommerce",
    "/health",
    "/metrics",
    "/nowhere",
)
ROUTES = (
    "/api/products",
    "/api/products?company=",
    "/api/auth/session",
    "/api/admin/carts",
    "/api/admin/carts/stats",
    "/api/payments/health",
    "/openapi.json",
    "/health",
    "/metrics",
    "/nowhere",
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The files of a replica."""
    write_tokens(tmp_path, "avnz")
    write_flags(tmp_path)
    return tmp_path


@pytest.fixture
def web(directory: Path, migrated: Postgres) -> Iterator[str]:
    """The dashboard."""
    with served(directory, migrated, "web") as url:
        yield url


@pytest.fixture
def api(directory: Path, migrated: Postgres) -> Iterator[str]:
    """The API."""
    with served(directory, migrated) as url:
        yield url


def responses(url: str, path: str) -> Iterator[tuple[int, dict[str, str], str]]:
    """Status, headers and body for an admin, for anybody, for a wrong token, and for another method."""
    for token in ("token-avnz", None, "wrong"):
        answer = Http(url, token=token).get(path)
        yield answer.status, dict(answer.headers), answer.body
    answer = Http(url, token="token-avnz").send("DELETE", path)
    yield answer.status, dict(answer.headers), answer.body


def check(headers: dict[str, str], form_action: str = "'none'") -> str:
    """The headers that every response has; returns its policy."""
    assert {name: headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    policy = headers["content-security-policy"]
    for part in (
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        f"form-action {form_action}",
    ):
        assert part in policy
    assert "unsafe" not in policy
    return policy


def test_every_page_carries_them_and_loads_only_its_own_files(web: str) -> None:
    """Pages, errors and refusals; style sheet and script are the service's own files, nothing stands inline."""
    seen = set()
    for path in PAGES:
        for status, headers, body in responses(web, path):
            policy = check(headers, "'self'")
            seen.add(status)
            assert "style-src 'self'; script-src 'self'" in policy
            assert re.findall(r"<(?:link|script)[^>]*(?:href|src)=\"([^\"]*)", body) in (
                [],
                ["/static/icon.svg", "/static/app.css", "/static/app.js"],
            )
            assert not re.search(r"<style| style=|<script(?! src)| on[a-z]+=", body)
    assert seen == {200, 401, 404, 405}
    for name in ("app.css", "app.js"):
        assert Http(web).get(f"/static/{name}").status == 200
    assert Http(web).get("/static/..%2Fdata.py").status == 404


def test_every_response_of_the_api_carries_them(api: str, directory: Path) -> None:
    """Also 401, 422, 405, and the 503 of maintenance."""
    seen = {status for path in ROUTES for status, headers, _ in responses(api, path) if check(headers)}
    assert {200, 401, 404, 405, 422} <= seen
    assert Http(api).get("/docs").status == Http(api).get("/redoc").status == 404
    path = directory / "config" / "cart-runtime" / "MAINTENANCE"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"on": true, "until": "2999-01-01T00:00:00Z"}', encoding="utf-8")
    closed = Http(api).get("/api/products")
    assert closed.status == 503
    check(dict(closed.headers))


def test_no_client_multiplies_the_metrics(api: str) -> None:
    """Methods that nobody knows and paths that are not there count as one of each."""
    for number in range(20):
        connection = http.client.HTTPConnection(urlsplit(api).netloc, timeout=60)
        connection.request(f"METHOD{number}", f"/path-{number}")
        connection.getresponse().read()
        connection.request("GET", f"/api/admin/carts/id-{number}/x{number}?q={number}")
        connection.getresponse().read()
        connection.close()
    result = Http(api).get("/metrics").body
    assert not re.search(r"METHOD\d|path-\d|id-\d|x\d", result)
    assert 'http_requests_total{method="other",route="unmatched",status="404"} 20.0' in result
    methods = set(re.findall(r'method="([^"]*)"', result))
    assert methods <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}
