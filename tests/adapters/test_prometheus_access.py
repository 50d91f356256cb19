"""How a Prometheus is reached: credentials, certificates, a prefix, headers and proxies, against real servers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Access, Http
from cartctl.adapters.metrics.prometheus import PrometheusSource
from cartctl.adapters.metrics.source import Metric
from cartctl.errors import ConfigError
from cartctl.redaction import redact
from tests.certificates import Certificates, make_certificates
from tests.prometheus import prometheus
from tests.web import Reply, WebRequest, serve

PASSWORD = "pass word-1"
HASH = "$2b$04$abcdefghijklmnopqrstuuvpMrnnqPhzVtV1xS23zy4gSxAr4Idve"  # bcrypt of it
SECURED = """
tls_server_config:
  cert_file: {server}
  key_file: {server_key}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {ca}
basic_auth_users:
  dév: {hash}
"""
EMPTY = {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a server and a client."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def whole(certificates: Certificates) -> Access:
    """What the secured server wants."""
    made = certificates
    return Access(
        user="dév",
        password=PASSWORD,
        ca=made.ca,
        certificate=made.client,
        key=made.client_key,
        key_password=made.password,
    )


@pytest.fixture(scope="module")
def secured(
    certificates: Certificates, whole: Access, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A Prometheus below a prefix that wants a client's certificate and a password."""
    settings = tmp_path_factory.mktemp("web") / "web.yml"
    settings.write_text(SECURED.format(**vars(certificates), hash=HASH))
    arguments = (f"--web.config.file={settings}", "--web.route-prefix=/some/prefix")
    with prometheus("", *arguments, access=whole, scheme="https", prefix="/some/prefix") as url:
        yield url


def error(url: str, access: Access) -> str:
    """Why the error rate cannot be measured; empty where the server answered."""
    source = PrometheusSource(url, access=access, timeout=30)
    try:
        return source.read()[Metric.ERROR_RATE].error
    finally:
        source.close()


def test_mutual_tls_a_password_an_own_authority_and_a_prefix_work_together(
    secured: str, whole: Access
) -> None:
    """A real Prometheus that wants all of them."""
    assert error(secured, whole) == ""
    assert error(f"{secured}/", whole) == ""


def test_whatever_is_missing_is_named_and_no_secret_is_shown(secured: str, whole: Access) -> None:
    """Wrong password, no certificate, an unknown authority."""
    wrong = error(secured, replace(whole, password="another"))
    assert "401" in wrong
    assert "another" not in wrong
    assert "certificate" in error(secured, replace(whole, certificate=None, key=None))
    assert "certificate verify failed" in error(secured, replace(whole, ca=None))
    assert error(secured, replace(whole, ca=None, verify=False)) == ""


@pytest.mark.parametrize("change", ("no such file", "wrong password", "another key", "no certificate"))
def test_unusable_files_are_errors_of_the_configuration(
    certificates: Certificates, whole: Access, tmp_path: Path, change: str
) -> None:
    """They name the file, at once, and OpenSSL prompts for no password."""
    empty = tmp_path / "empty.pem"
    empty.touch()
    changes = {
        "no such file": ("/nowhere.pem", {"ca": Path("/nowhere.pem")}),
        "wrong password": (certificates.client.name, {"key_password": None}),
        "another key": (certificates.client.name, {"key": certificates.server_key}),
        "no certificate": ("empty.pem", {"ca": empty}),
    }
    named, fields = changes[change]
    with pytest.raises(ConfigError, match=named) as caught:
        Http("https://localhost:1", access=replace(whole, **fields)).check_certificates()  # type: ignore[arg-type]
    assert "PEM" in caught.value.hint
    assert certificates.password not in caught.value.message


def test_an_unusable_file_is_the_reason_of_every_metric(whole: Access) -> None:
    """And does not end the monitor."""
    assert "/nowhere.pem" in error("https://localhost:1", replace(whole, ca=Path("/nowhere.pem")))


def test_headers_reach_the_source_with_every_request() -> None:
    """A tenant's name, and a key of a gateway."""
    headers = {"X-Scope-OrgID": "shop|eu", "X-Api-Key": "abc123def"}
    with serve(lambda _: Reply(EMPTY)) as web:
        error(web.url, Access(headers=headers))
    assert len(web.requests) > 1 or web.requests
    for request in web.requests:
        assert (request.headers["x-scope-orgid"], request.headers["x-api-key"]) == ("shop|eu", "abc123def")


@pytest.mark.parametrize(
    "field", ({"token": "a\nb"}, {"headers": {"X-Key": "a\r\nHost: b"}}, {"headers": {"X Key": "a"}})
)
def test_what_no_header_can_hold_is_refused(field: dict[str, object]) -> None:
    """Without showing it."""
    with pytest.raises(ConfigError) as caught:
        Access(**field)  # type: ignore[arg-type]
    assert "a\n" not in caught.value.message
    assert "Host" not in caught.value.message


def test_a_password_is_masked_in_both_its_forms() -> None:
    """As text and as the header has it."""
    fields = Access(user="u", password="Basic4Marker").header_fields()
    assert fields["Authorization"].startswith("Basic ")
    assert "Basic4Marker" not in redact("x Basic4Marker y")
    assert fields["Authorization"].removeprefix("Basic ") not in redact(f"x {fields['Authorization']} y")


def test_the_proxy_of_the_environment_carries_the_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is used for another host, with the credentials in the request; NO_PROXY exempts one."""
    with prometheus() as url:

        def forward(request: WebRequest) -> Reply:
            target = request.path.removeprefix("http://metrics.example")
            response = Http(url).get(target)
            return Reply(response.body, response.status, {"Content-Type": "application/json"})

        with serve(forward) as proxy:
            for name in ("no_proxy", "NO_PROXY"):
                monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            assert error("http://metrics.example", Access(token="t0ken-of-metrics")) == ""
            assert all(
                request.path.startswith("http://metrics.example/api/v1/") for request in proxy.requests
            )
            assert {request.headers["authorization"] for request in proxy.requests} == {
                "Bearer t0ken-of-metrics"
            }
            count = len(proxy.requests)
            monkeypatch.setenv("NO_PROXY", "metrics.example")
            assert error("http://metrics.example", Access()) != ""
            assert len(proxy.requests) == count
