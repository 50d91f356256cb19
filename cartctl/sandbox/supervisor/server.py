"""The control API over HTTP: loopback only, one secret, JSON.

Invalid requests are refused before anything is done.
"""

import hmac
import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cartctl.sandbox.supervisor.control import MOST_LINES, MOST_REPLICAS, Control
from cartctl.sandbox.supervisor.request_values import (
    Bad,
    boolean,
    changes,
    integer,
    only,
    read_object,
    text,
    texts,
)

LARGEST = 4 * 1024 * 1024  # bytes of a request
UNAUTHORIZED, NOT_ALLOWED = 401, 405
DROPPED = 16 * LARGEST
NEWEST = 2**53  # of a version of settings

Body = dict[str, Any]
Verb = Callable[[Control, str, Body], dict[str, Any]]


def _logs(control: Control, name: str, body: Body) -> dict[str, Any]:
    lines = text(body, "lines")
    if not lines.isdecimal() or not lines.isascii():
        raise Bad(400, "lines must be a positive integer")
    return control.logs(name, integer({"lines": int(lines[:20])}, "lines", 1, MOST_LINES))


def _put_settings(control: Control, name: str, body: Body) -> dict[str, Any]:
    version = integer(body, "seen", 0, NEWEST) if body.get("seen") is not None else None
    return control.put_settings(name, changes(body, "changes"), version)


ROUTES: tuple[tuple[str, re.Pattern[str], tuple[str, ...], Verb], ...] = (  # method, path, fields, verb
    ("GET", re.compile(r"/status"), (), lambda c, _, __: c.status()),
    ("GET", re.compile(r"/deployments"), (), lambda c, _, __: c.deployments()),
    ("GET", re.compile(r"/deployments/([^/]+)/pods"), (), lambda c, name, _: c.pods(name)),
    ("GET", re.compile(r"/deployments/([^/]+)/logs"), ("lines",), _logs),
    (
        "PUT",
        re.compile(r"/deployments/([^/]+)/images"),
        ("images", "cause"),
        lambda c, name, b: c.set_images(name, texts(b, "images"), text(b, "cause")),
    ),
    (
        "PUT",
        re.compile(r"/deployments/([^/]+)/replicas"),
        ("replicas",),
        lambda c, name, b: c.set_replicas(name, integer(b, "replicas", 0, MOST_REPLICAS)),
    ),
    (
        "PUT",
        re.compile(r"/deployments/([^/]+)/paused"),
        ("paused",),
        lambda c, name, b: c.set_paused(name, paused=boolean(b, "paused")),
    ),
    ("GET", re.compile(r"/settings/([^/]+)"), (), lambda c, name, _: c.settings(name)),
    ("PATCH", re.compile(r"/settings/([^/]+)"), ("changes", "seen"), _put_settings),
)


class ControlServer(ThreadingHTTPServer):
    """Serves one Control to clients that have the secret."""

    daemon_threads = True

    def __init__(self, control: Control, secret: str, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.control = control
        self.secret = secret

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer
    timeout = 10
    _allowed = ""
    wbufsize = (
        -1
    )  # head and body in one packet: apart, the second waits 40 ms for the first one's acknowledgement

    def _serve(self) -> None:
        try:
            self._respond(200, self._result())
        except Bad as bad:
            problem = {"message": bad.message, "hint": bad.hint, **({"code": bad.code} if bad.code else {})}
            self._respond(bad.status, problem)

    do_GET = do_HEAD = do_PUT = do_PATCH = do_POST = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the base class names them

    def _result(self) -> dict[str, Any]:
        content = self._content()  # read in any case: closing the connection before may lose the response
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.server.secret}".encode()):
            raise Bad(
                401, "The control API's secret is wrong.", "The secret is in the sandbox's control.secret."
            )
        if isinstance(content, Bad):
            raise content
        url = urlsplit(self.path)
        routes = [(route, match) for route in ROUTES if (match := route[1].fullmatch(url.path))]
        if not routes:
            raise Bad(404, f"The control API has no path {url.path[:100]}.")
        for (method, _, fields, verb), match in routes:
            if method == self.command:
                body = {key: values[-1] for key, values in parse_qs(url.query).items()}
                body |= read_object(content) if content or method != "GET" else {}
                only(body, *fields)
                return verb(self.server.control, "".join(match.groups()), body)
        self._allowed = ", ".join(route[0] for route, _ in routes)
        raise Bad(405, f"{self.command} is not allowed for {url.path[:100]}.", f"Allowed: {self._allowed}.")

    def _content(self) -> bytes | Bad:
        """The body, or why it is refused. One that is too large is read and dropped, up to DROPPED bytes."""
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers:
            return Bad(400, "A request body requires a Content-Length.")
        if not (length.isascii() and length.isdecimal()):
            return Bad(400, "invalid Content-Length")
        left = int(length[:20])
        if left <= LARGEST:
            return self.rfile.read(left)
        left = min(left, DROPPED)
        while left > 0 and (chunk := self.rfile.read(min(left, 65536))):
            left -= len(chunk)
        return Bad(413, f"The request is larger than {LARGEST} bytes.")

    def _respond(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status == UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        if status == NOT_ALLOWED:
            self.send_header("Allow", self._allowed)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Requests are not logged: steps poll many times a second."""
