"""cartctl's own requests, against real servers."""

from typing import Any

import pytest

from cartctl.adapters.http.client import Http
from cartctl.monitoring.probes import CRITICAL_PATHS, MOST, TRAFFIC_PATHS, Probes
from tests.web import Reply, WebRequest, serve

BODIES: dict[str, Any] = {
    "/api/auth/session": {"company": {"id": "avnz"}},
    "/api/payments/health": {"status": "ok"},
    "/api/orders/health": {"status": "UP"},
}


def answer(request: WebRequest) -> Reply:
    """A healthy service."""
    if request.path == "/api/auth/session" and "authorization" not in request.headers:
        return Reply({}, 401)
    return Reply(BODIES.get(request.path, {}))


def test_every_critical_path_is_looked_at_with_the_token() -> None:
    """Auth, payments and orders, in order, all as the admin."""
    with serve(answer) as web:
        result = Probes(Http(web.url, token="t0ken")).critical()
    assert [(probe.name, probe.ok) for probe in result] == [
        ("auth", True),
        ("payments", True),
        ("orders", True),
    ]
    assert {request.headers["authorization"] for request in web.requests} == {"Bearer t0ken"}
    assert sorted(web.paths()) == sorted(CRITICAL_PATHS.values())


def test_without_a_token_auth_is_in_order_when_it_requires_one() -> None:
    """A stranger's 401 is what a working door says; an open door is a failure."""
    with serve(answer) as web:
        probes = Probes(Http(web.url))
        assert all(probe.ok for probe in probes.critical())
    assert not probes.pass_maintenance
    with serve(lambda request: Reply(BODIES.get(request.path, {}))) as web:
        assert [probe.name for probe in Probes(Http(web.url)).critical() if not probe.ok] == ["auth"]


@pytest.mark.parametrize(
    "reply",
    (Reply({}, 500), Reply({"status": "down"}), Reply({"status": "error"}, 503), Reply([]), Reply("<html>")),
)
def test_a_path_that_does_not_work_fails(reply: Reply) -> None:
    """Status, state and form all count."""
    with serve(lambda request: reply if "payments" in request.path else answer(request)) as web:
        result = Probes(Http(web.url, token="t")).critical()
    assert [probe.name for probe in result if not probe.ok] == ["payments"]


def test_a_service_that_is_away_fails_every_path() -> None:
    """No answer is a failure, and raises nothing."""
    probes = Probes(Http("http://127.0.0.1:9", token="t"))
    assert not any(probe.ok for probe in probes.critical())
    probes.traffic(3)


def test_traffic_goes_round_the_paths() -> None:
    """So many requests over all paths, continued where the last round ended, and never more than a round may be."""
    with serve(answer) as web:
        probes = Probes(Http(web.url, token="t"))
        probes.traffic(4)
        probes.traffic(2)
        assert sorted(web.paths()) == sorted(TRAFFIC_PATHS)
        probes.traffic(10_000)
    assert len(web.requests) == 6 + MOST == 106


def test_no_traffic_is_none() -> None:
    """Nothing asked for, nothing sent."""
    with serve(answer) as web:
        Probes(Http(web.url)).traffic(0)
    assert web.requests == []
