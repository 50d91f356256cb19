"""One attempt of a request to the API server, with a time limit and translated errors."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import urllib3

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.kubernetes.client.access import Access
from cartctl.adapters.kubernetes.client.responses import Reply, checked

CONNECT, READ = 5.0, 15.0  # seconds that one attempt may take to connect, and to respond
JSON, JSON_PATCH, MERGE_PATCH = (
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
)
BROKEN = (urllib3.exceptions.HTTPError, OSError)


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `body` is sent as JSON of the media type `content`."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Any = None
    content: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """A streamed response; `end` ends it from another thread."""

    chunks: Iterator[bytes]
    end: Callable[[], None]


class Transport:
    """Connections to the API server. `clock` is seconds, monotonic."""

    def __init__(self, access: Access, clock: Callable[[], float] = time.monotonic) -> None:
        self.access = access
        self._clock = clock
        self._gone: float | None = None

    @property
    def absent(self) -> float | None:
        """Seconds since the last failed or broken connection; None if none has failed."""
        return None if self._gone is None else self._clock() - self._gone

    def once(self, request: Request) -> Reply:
        """Send once. Raises ClusterUnreachable without a complete response within the time limit."""
        response = self._open(request, READ)
        try:
            return _reply(response, response.read())
        except BROKEN as broken:
            raise self._silent(broken) from broken
        finally:
            response.release_conn()

    @contextmanager
    def stream(self, request: Request, *, silence: float) -> Iterator[Stream]:
        """A streamed response; `silence` is the maximum seconds without data. Raises as `once`, and what `checked` raises."""
        response = self._open(request, silence)
        try:
            if response.status >= 400:  # noqa: PLR2004 - HTTP's errors
                checked(_reply(response, response.read()))
            yield Stream(response.stream(2**16, decode_content=True), lambda: _end(response))
        except BROKEN as broken:
            self._gone = self._clock()
            raise ClusterUnreachable(f"The API server's stream was interrupted: {broken}") from broken
        finally:
            response.close()
            response.release_conn()

    def _open(self, request: Request, read: float) -> urllib3.BaseHTTPResponse:
        query = f"?{urlencode(request.query)}" if request.query else ""
        sent = {"Accept": "application/json, */*", "User-Agent": "cartctl", **request.headers}
        if request.body is not None:
            sent["Content-Type"] = request.content
        try:
            return self.access.pool.request(
                request.method,
                f"{self.access.host}{request.path}{query}",
                body=None if request.body is None else json.dumps(request.body).encode(),
                headers={**sent, **self.access.headers()},
                timeout=urllib3.Timeout(connect=CONNECT, read=read),
                preload_content=False,
                redirect=False,
            )
        except BROKEN as broken:
            raise self._silent(broken) from broken

    def _silent(self, broken: Exception) -> ClusterUnreachable:
        self._gone = self._clock()
        reason = getattr(broken, "reason", None) or broken
        return ClusterUnreachable(
            f"The API server {self.access.host} does not respond: {reason}.",
            hint="See: kubectl cluster-info",
        )


def _reply(response: urllib3.BaseHTTPResponse, body: bytes) -> Reply:
    return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


def _end(response: urllib3.BaseHTTPResponse) -> None:
    """Ignore errors of a stream that has already ended."""
    with suppress(OSError, ValueError, RuntimeError):
        response.shutdown()
