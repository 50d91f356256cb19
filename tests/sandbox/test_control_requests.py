"""What the supervisor's control API refuses: one sentence as JSON, the right status, and nothing is changed."""

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cartctl.adapters.cluster import UnknownDeployment
from cartctl.adapters.supervisor.cluster import Processes
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.supervisor.control import Control
from cartctl.sandbox.supervisor.controller import Controller
from cartctl.sandbox.supervisor.model import first_specs
from cartctl.sandbox.supervisor.server import LARGEST, ControlServer
from cartctl.sandbox.supervisor.state import State
from tests.threads import serving

SECRET = "s3cret"
API = "/deployments/payment-api"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlServer]:
    """The control API over a controller whose loop does not run: what is asked for stays as it is asked."""
    layout = Layout(tmp_path_factory.mktemp("sandbox"))
    layout.settings.mkdir(parents=True)
    controller = Controller(layout, State(layout, first_specs(datetime.now(UTC).isoformat())))
    with serving(ControlServer(Control(controller), SECRET, 0)) as running:
        yield running


def send(
    server: ControlServer,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any], http.client.HTTPMessage]:
    """Status, JSON and headers of one response."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        given = {"Authorization": f"Bearer {SECRET}", **(headers or {})}
        connection.request(method, path, body, given)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else {}, answer.headers
    finally:
        connection.close()


def state(server: ControlServer) -> Any:
    """What is asked for now."""
    return send(server, "GET", "/deployments")[1], send(server, "GET", "/settings/cart-runtime")[1]


INVALID = (
    ("PUT", f"{API}/replicas", b'{"replicas": "3"}', 400, "must be an integer, not a string"),
    ("PUT", f"{API}/replicas", b'{"replicas": 2.5}', 400, "must be an integer, not a number"),
    ("PUT", f"{API}/replicas", b'{"replicas": true}', 400, "must be an integer, not a boolean"),
    ("PUT", f"{API}/replicas", b'{"replicas": null}', 400, "must be an integer, not null"),
    ("PUT", f"{API}/replicas", b'{"replicas": NaN}', 400, "must be an integer"),
    ("PUT", f"{API}/replicas", b'{"replicas": -1}', 400, "must be 0 to 20"),
    ("PUT", f"{API}/replicas", b'{"replicas": 21}', 400, "must be 0 to 20"),
    ("PUT", f"{API}/replicas", b'{"replicas": 1%s}' % (b"0" * 400), 400, "must be 0 to 20"),
    ("PUT", f"{API}/replicas", b'{"replicas": 1%s}' % (b"0" * 5000), 400, "invalid JSON"),
    ("PUT", f"{API}/replicas", b'{"replicas": 2, "size": 3}', 400, "unknown field 'size'"),
    ("PUT", f"{API}/replicas", b"{}", 400, "missing field 'replicas'"),
    ("PUT", f"{API}/replicas", b"", 400, "invalid JSON"),
    ("PUT", f"{API}/replicas", b"[3]", 400, "must be a JSON object, not an array"),
    ("PUT", f"{API}/replicas", b'{"replicas": 3', 400, "invalid JSON"),
    ("PUT", f"{API}/replicas", b"\xff\xfe", 400, "invalid JSON"),
    ("PUT", f"{API}/replicas", b"[" * 200_000, 400, "nested too deeply"),
    ("PUT", f"{API}/images", b'{"images": {"api": "9.9.9"}, "cause": "x"}', 400, "Unknown image 9.9.9"),
    ("PUT", f"{API}/images", b'{"images": {"web": "2.0.0"}, "cause": "x"}', 400, "no container web"),
    ("PUT", f"{API}/images", b'{"images": {"api": 2}, "cause": "x"}', 400, "must be a string, not a number"),
    ("PUT", f"{API}/images", b'{"images": {}, "cause": "x"}', 400, "must not be empty"),
    ("PUT", f"{API}/images", b'{"images": ["2.0.0"], "cause": "x"}', 400, "must be an object, not an array"),
    ("PUT", f"{API}/images", b'{"images": {"api": "2.0.0"}}', 400, "missing field 'cause'"),
    ("PUT", f"{API}/paused", b'{"paused": "yes"}', 400, "must be true or false, not a string"),
    ("PUT", f"{API}/paused", b'{"paused": 1}', 400, "must be true or false"),
    ("PUT", "/deployments/checkout/replicas", b'{"replicas": 1}', 404, "Unknown deployment checkout"),
    ("GET", f"{API}/logs", None, 400, "missing field 'lines'"),
    ("GET", f"{API}/logs?lines=many", None, 400, "must be a positive integer"),
    ("GET", f"{API}/logs?lines=-5", None, 400, "must be a positive integer"),
    ("GET", f"{API}/logs?lines=99999999999999999999999", None, 400, "must be 1 to"),
    ("PATCH", "/settings/cart-runtime", b'{"changes": {"../x": "1"}}', 400, "invalid name '../x'"),
    ("PATCH", "/settings/..", b'{"changes": {"a": "1"}}', 400, "invalid name"),
    ("PATCH", "/settings/cart-runtime", b'{"changes": {"a": {}}}', 400, "must be a string, not an object"),
    ("PATCH", "/settings/cart-runtime", b'{"changes": {"a": "\\ud800"}}', 400, "not valid Unicode"),
    ("PATCH", "/settings/cart-runtime", b'{"changes": {"a": "1"}, "seen": "0"}', 400, "must be an integer"),
    ("PATCH", "/settings/cart-runtime", b'{"changes": {"a": "1"}, "seen": 7}', 409, "was changed"),
    ("GET", "/nothing", None, 404, "has no path /nothing"),
)


@pytest.mark.parametrize(("method", "path", "body", "status", "expected"), INVALID)
def test_what_is_invalid_is_refused_and_changes_nothing(
    server: ControlServer, method: str, path: str, body: bytes | None, status: int, expected: str
) -> None:
    """Values with 400, what is not there with 404; the sentence says what is wrong."""
    before = state(server)
    result, results, _ = send(server, method, path, body)
    assert (result, expected in results["message"]) == (status, True), results
    assert state(server) == before


@pytest.mark.parametrize("method", ("POST", "DELETE", "OPTIONS", "PUT"))
def test_a_method_that_a_path_has_not_is_405_with_those_it_has(server: ControlServer, method: str) -> None:
    """As JSON, and with Allow."""
    result, results, headers = send(server, method, "/status", b"{}")
    assert (result, headers["Allow"]) == (405, "GET")
    assert "not allowed" in results["message"]


@pytest.mark.parametrize("given", ("", "Bearer", "Bearer wrong", "Basic s3cret", "Bearer \xe9"))
@pytest.mark.parametrize(
    ("method", "path"), (("GET", "/status"), ("PUT", f"{API}/replicas"), ("DELETE", "/x"))
)
def test_without_the_secret_nothing_is_answered(
    server: ControlServer, given: str, method: str, path: str
) -> None:
    """Whatever the path, the method and the body: 401, and nothing about what there is."""
    result, results, headers = send(server, method, path, b'{"replicas": 5}', {"Authorization": given})
    assert (result, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert set(results) == {"message", "hint"}


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    (
        ({"Content-Length": "abc"}, 400, "invalid Content-Length"),
        ({"Content-Length": "-1"}, 400, "invalid Content-Length"),
        ({"Transfer-Encoding": "chunked"}, 400, "requires a Content-Length"),
    ),
)
def test_a_body_of_unknown_length_is_refused(
    server: ControlServer, headers: dict[str, str], status: int, expected: str
) -> None:
    """Nothing is waited for."""
    result, results, _ = send(server, "PUT", f"{API}/replicas", None, headers)
    assert (result, expected in results["message"]) == (status, True)


def test_a_body_that_is_too_large_is_413(server: ControlServer) -> None:
    """Read and dropped, so that the response arrives."""
    result, results, _ = send(server, "PUT", f"{API}/replicas", b" " * (LARGEST + 1))
    assert (result, "larger than" in results["message"]) == (413, True)


def test_cartctl_names_what_the_sandbox_lacks(server: ControlServer) -> None:
    """An image that does not exist stays a usage error of the command."""
    cluster = Processes(f"http://127.0.0.1:{server.port}", SECRET)
    with pytest.raises(UnknownDeployment, match=r"Unknown image 9\.9\.9"):
        cluster.set_images("payment-api", {"api": "9.9.9"}, cause="test")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["replicas", "images", "cause", "paused", "changes", "seen", "lines", "other"])


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    route=st.sampled_from(["replicas", "images", "paused"]),
    body=st.dictionaries(fields, anything, max_size=4).map(lambda body: json.dumps(body).encode())
    | st.binary(max_size=40),
)
def test_no_body_ends_in_a_server_error(server: ControlServer, route: str, body: bytes) -> None:
    """Whatever is sent: 200 or 400, and JSON."""
    result, results, _ = send(server, "PUT", f"{API}/{route}", body)
    assert result in {200, 400}
    assert isinstance(results, dict)


def test_valid_requests_are_taken(server: ControlServer) -> None:
    """The limits themselves, and removing a key."""
    for size in (0, 20, 2):
        result, results, _ = send(server, "PUT", f"{API}/replicas", json.dumps({"replicas": size}).encode())
        assert (result, results["replicas"]) == (200, size)
    for value in ("on", None):
        changes = json.dumps({"changes": {"NOTE": value}, "seen": None}).encode()
        result, results, _ = send(server, "PATCH", "/settings/notes", changes)
        assert (result, results["data"]) == (200, {"NOTE": value} if value else {})
