"""Small real HTTP servers on loopback for tests: a function answers, the requests are kept."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class WebRequest:
    """A request as it arrived; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Reply:
    """What is answered: `body` as text or bytes, or anything else as JSON."""

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Web:
    """A running server: its address and the requests so far."""

    url: str
    requests: list[WebRequest] = field(default_factory=list)

    def paths(self) -> list[str]:
        """The paths asked for, in order; a Prometheus of an earlier test may still scrape this port."""
        return [
            one.path
            for one in self.requests
            if not one.headers.get("user-agent", "").startswith("Prometheus/")
        ]


@contextmanager
def serve(answer: Callable[[WebRequest], Reply], host: str = "127.0.0.1") -> Iterator[Web]:
    """Serve at `host` until the block's end."""
    web = Web("")

    class Handler(BaseHTTPRequestHandler):
        """Hands every request to the function."""

        def _do(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            result = WebRequest(self.command, self.path, headers, self.rfile.read(length).decode())
            web.requests.append(result)
            reply = answer(result)
            text = reply.body if isinstance(reply.body, str | bytes) else json.dumps(reply.body)
            sent = text.encode() if isinstance(text, str) else text
            kind = "text/html; charset=utf-8" if isinstance(reply.body, str) else "application/json"
            self.send_response(reply.status)
            for name, value in {"Content-Type": kind, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_PURGE = _do  # noqa: N815 - the server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's name
            """Keep quiet."""

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    web.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
