"""A node that is played: an object in the API, and the HTTPS port on which an API server asks a kubelet for logs."""

import ssl
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.transport import MERGE_PATCH
from cartctl.errors import CartctlError
from tests.kubernetes.server import log_text
from tests.services import require

PREFIX = "played-by-cartctls-tests-"
Logs = Callable[
    [str, str, bool], list[tuple[str, str]]
]  # pod, container, previous → time and text of each line


@dataclass
class Node:
    """The node of one test session. `logs` is what its containers have written; None: a kubelet that is gone."""

    api: Api
    home: Path
    logs: Logs | None = lambda *_: []
    _http: ThreadingHTTPServer | None = field(default=None, init=False)

    def start(self) -> None:
        """Listen, and be known to the API server."""
        key, certificate = self.home / "node.key", self.home / "node.crt"
        made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=node", "-days", "1"]
        files = ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run([str(require("openssl")), *made, *files], check=True, capture_output=True)
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(certificate, key)
        http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"node": self}))
        http.daemon_threads = True
        http.socket = secure.wrap_socket(http.socket, server_side=True)
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        self._http = http
        self.api.send("POST", "/api/v1/nodes", {"metadata": {"name": self.name}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": http.server_address[1]}},
        }
        path = f"/api/v1/nodes/{self.name}"
        self.api.send("PATCH", f"{path}/status", {"status": status}, content=MERGE_PATCH)

    def stop(self) -> None:
        """Be gone."""
        with suppress(CartctlError):
            self.api.send("DELETE", f"/api/v1/nodes/{self.name}")
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()

    @property
    def name(self) -> str:
        """Its name, this session's alone."""
        return f"{PREFIX}{id(self):x}"


class Handler(BaseHTTPRequestHandler):
    """One connection of the API server."""

    node: Node

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Tests say what they saw themselves."""

    def do_GET(self) -> None:
        """/containerLogs/NAMESPACE/POD/CONTAINER."""
        parts = urlsplit(self.path)
        _, _, pod, container = parts.path.strip("/").split("/")
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if self.node.logs is None:
            self.close_connection = True
            return
        body = log_text(self.node.logs(pod, container, query.get("previous") == "true"), query).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
