"""A smoke test against services that misbehave: each is one failed test within its time, never a pass and never a hang."""

import gzip
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Http
from cartctl.checks.smoke.suite import Smoke
from cartctl.checks.smoke.targets import Targets
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.engine.pulse import Pulse
from tests.services import require
from tests.web import Reply, WebRequest, serve

LIMIT = 1.0  # seconds of a request
SUITE = '[[request]]\nname = "cart"\npath = "/cart"\nattempts = 1\njsonpath = { "$.total" = 3 }\n'
GOOD = b'{"total": 3}'

Talk = Callable[[socket.socket], None]


def smoke(directory: Path, url: str, *, built_in: bool = False) -> Checks:
    """The suite's results against a service, for an admin with a token."""
    path = directory / "own.toml"
    path.write_text(SUITE)
    http = Http(url, token="t0ken-of-an-admin", timeout=LIMIT)
    targets = Targets(http, http.without_token(), None, None)
    return Smoke("smoke", targets, suites=() if built_in else [path], built_in=built_in).judge(Pulse())


def failure(directory: Path, url: str) -> str:
    """What the only test observed; it failed in little more than the request's time."""
    began = time.monotonic()
    [result] = smoke(directory, url).checks
    assert time.monotonic() - began < LIMIT + 4
    assert result.verdict is Verdict.FAIL
    return observed(result)


def observed(result: CheckResult) -> str:
    """As text."""
    return str(result.observed)


@contextmanager
def talking(talk: Talk, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that serves each connection with `talk`, once the request has arrived."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    threading.Thread(target=serve_one, args=(peer,), daemon=True).start()

        def serve_one(peer: socket.socket) -> None:
            with suppress(OSError):
                wrapped = context.wrap_socket(peer, server_side=True) if context else peer
                with wrapped:
                    wrapped.recv(65536)
                    talk(wrapped)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def replying(*parts: bytes, forever: bytes = b"", pause: float = 0.0) -> Talk:
    """Sends parts, and one part until the client hangs up."""

    def talk(peer: socket.socket) -> None:
        for part in parts:
            peer.sendall(part)
        while forever:
            peer.sendall(forever)
            time.sleep(pause)

    return talk


def response(body: bytes, *headers: bytes) -> bytes:
    """A whole response with status 200."""
    kind = b"Content-Type: application/json"
    lines = [b"HTTP/1.1 200 OK", kind, b"Content-Length: %d" % len(body), b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_a_good_response_passes(tmp_path: Path) -> None:
    """The suite itself is right, so that only the fault fails it."""
    with talking(replying(response(GOOD))) as port:
        assert smoke(tmp_path, f"http://127.0.0.1:{port}").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("talk", "reason"),
    (
        pytest.param(
            replying(b"HTTP/1.1 200 OK\r\nX-Slow: ", forever=b"x", pause=0.05),
            "longer than 1 s",
            id="slow headers",
        ),
        pytest.param(
            replying(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", forever=b" ", pause=0.05),
            "longer than 1 s",
            id="slow body",
        ),
        pytest.param(
            replying(b"HTTP/1.1 200 OK\r\n\r\n", forever=b"[" * 65536),
            "more than 8 MB|longer than 1 s",
            id="endless body",
        ),
        pytest.param(
            replying(response(gzip.compress(bytes(20 * 2**20), 1), b"Content-Encoding: gzip")),
            "more than 8 MB",
            id="gzip bomb",
        ),
        pytest.param(
            replying(b"HTTP/1.1 302 Found\r\nLocation: /cart\r\nContent-Length: 0\r\n\r\n"),
            "redirects more than 5 times",
            id="redirect loop",
        ),
        pytest.param(
            replying(response(b"<!DOCTYPE html><h1>502 Bad Gateway</h1>")),
            "is not JSON",
            id="html error page",
        ),
        pytest.param(
            replying(response(b'{"total": 3, "total": 3}')),
            "ambiguous JSON, the key 'total' is repeated",
            id="keys",
        ),
        pytest.param(
            replying(response(b'{"total": 3, "name": "\xff\xfe"}')), "is not valid UTF-8", id="invalid utf-8"
        ),
    ),
)
def test_a_response_that_cannot_be_used_fails(tmp_path: Path, talk: Talk, reason: str) -> None:
    """Slow, endless, huge, circular, a page or damaged: one sentence says which."""
    with talking(talk) as port:
        text = failure(tmp_path, f"http://127.0.0.1:{port}")
    assert any(part in text for part in reason.split("|")), text


def test_a_redirect_to_another_host_fails_and_gets_no_token(tmp_path: Path) -> None:
    """The other host sees no request."""
    with serve(lambda _: Reply({"total": 3})) as other:
        with serve(lambda _: Reply("", 302, {"Location": f"{other.url}/cart"})) as web:
            assert "redirects to another host" in failure(tmp_path, web.url)
        assert not other.requests


def test_an_error_page_with_status_200_fails_the_built_in_suite(tmp_path: Path) -> None:
    """A gateway that answers every path with a page passes no test."""

    def gateway(_: WebRequest) -> Reply:
        return Reply("<!DOCTYPE html><title>Error</title><h1>Application error: a server-side exception</h1>")

    with serve(gateway) as web:
        checks = smoke(tmp_path, web.url, built_in=True).checks
    assert {one.verdict for one in checks} == {Verdict.FAIL}
    assert len(checks) >= 9


@pytest.fixture
def expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A trusted certificate for localhost that expired in 2020."""
    program = require("openssl")
    key, request, certificate = tmp_path / "key.pem", tmp_path / "request.pem", tmp_path / "cert.pem"
    config = tmp_path / "ca.conf"
    (tmp_path / "index").write_text("")
    config.write_text(
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={tmp_path}/index\nnew_certs_dir={tmp_path}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=any\nx509_extensions=names\n[any]\ncommonName=supplied\n"
        "[names]\nsubjectAltName=DNS:localhost\nbasicConstraints=CA:TRUE\n"
    )
    make: list[str | Path] = [
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        key,
        "-out",
        request,
    ]
    sign: list[str | Path] = [
        "ca",
        "-batch",
        "-selfsign",
        "-config",
        config,
        "-keyfile",
        key,
        "-in",
        request,
        "-out",
        certificate,
    ]
    dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext"]
    for command in (make, [*sign, *dates]):
        subprocess.run(
            [program, *command], check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"}
        )
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_an_expired_certificate_fails(tmp_path: Path, expired: ssl.SSLContext) -> None:
    """It is named as the reason."""
    with talking(replying(response(GOOD)), expired) as port:
        assert "certificate has expired" in failure(tmp_path, f"https://localhost:{port}")
