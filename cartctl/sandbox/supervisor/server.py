"""The control API's HTTP: loopback only, one secret, JSON in and out."""

import hmac
import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cartctl.sandbox.supervisor.control import Bad, Control

LARGEST = 4 * 1024 * 1024  # bytes of a request

Verb = Callable[[Control, str, dict[str, Any]], dict[str, Any]]

ROUTES: tuple[tuple[str, re.Pattern[str], Verb], ...] = (
    ("GET", re.compile(r"/status"), lambda c, _, __: c.status()),
    ("GET", re.compile(r"/deployments"), lambda c, _, __: c.deployments()),
    ("GET", re.compile(r"/deployments/([^/]+)/pods"), lambda c, name, _: c.pods(name)),
    ("GET", re.compile(r"/deployments/([^/]+)/logs"), lambda c, name, b: c.logs(name, int(b["lines"]))),
    (
        "PUT",
        re.compile(r"/deployments/([^/]+)/images"),
        lambda c, name, b: c.set_images(name, b["images"], b["cause"]),
    ),
    (
        "PUT",
        re.compile(r"/deployments/([^/]+)/replicas"),
        lambda c, name, b: c.set_replicas(name, int(b["replicas"])),
    ),
    (
        "PUT",
        re.compile(r"/deployments/([^/]+)/paused"),
        lambda c, name, b: c.set_paused(name, paused=b["paused"]),
    ),
    ("GET", re.compile(r"/settings/([^/]+)"), lambda c, name, _: c.settings(name)),
    (
        "PATCH",
        re.compile(r"/settings/([^/]+)"),
        lambda c, name, b: c.put_settings(name, b["changes"], b.get("seen")),
    ),
)


class ControlServer(ThreadingHTTPServer):
    """Serves one Control to whoever knows the secret."""

    daemon_threads = True

    def __init__(self, control: Control, secret: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.control = control
        self.secret = secret

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer
    timeout = 10
    wbufsize = (
        -1
    )  # head and body in one packet: apart, the second waits 40 ms for the first one's acknowledgement

    def _serve(self) -> None:
        try:
            self._answer(200, self._result())
        except Bad as bad:
            self._answer(bad.status, {"message": bad.message, "hint": bad.hint})
        except (KeyError, TypeError, ValueError) as wrong:
            self._answer(422, {"message": f"The request is not understood: {wrong!r}.", "hint": ""})

    do_GET = do_PUT = do_PATCH = _serve  # noqa: N815 - the base class names them

    def _result(self) -> dict[str, Any]:
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.server.secret}".encode()):
            raise Bad(401, "The control API's secret is wrong.", "It is in control.secret of the sandbox.")
        url = urlsplit(self.path)
        body = {key: values[-1] for key, values in parse_qs(url.query).items()} | self._body()
        for method, pattern, verb in ROUTES:
            if method == self.command and (found := pattern.fullmatch(url.path)):
                return verb(self.server.control, "".join(found.groups()), body)
        raise Bad(404, f"The control API has no {self.command} {url.path}.")

    def _body(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= LARGEST:
            raise Bad(413, "The request is too large.")
        read = json.loads(self.rfile.read(length)) if length else {}
        return read if isinstance(read, dict) else {}

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Requests are not logged: steps ask many times a second."""
