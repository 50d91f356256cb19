"""TLS is verified unless that is turned off."""

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartctl.adapters.http.client import Http, HttpUnreachable
from tests.services import require


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[str]:
    """A server whose certificate nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        [require("openssl"), *made, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(http.server.BaseHTTPRequestHandler):
        """Says yes."""

        def do_GET(self) -> None:
            """Answer."""
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_unknown_certificate_is_refused(self_signed: str) -> None:
    """No request reaches a server that cannot prove who it is."""
    with pytest.raises(HttpUnreachable, match="certificate"):
        Http(self_signed, token="t0ken").get("/")


def test_verification_can_be_turned_off(self_signed: str) -> None:
    """Explicitly, where a test environment signs for itself."""
    assert Http(self_signed, verify=False).get("/").status == 204
