"""Sends the Prometheus client's requests through cartctl's HTTP adapter, and rejects responses that the client would accept."""

import io
from typing import Any
from urllib.parse import urlsplit

import requests

from cartctl.adapters.http.client import Http
from cartctl.adapters.metrics.prometheus_response import ResponseInvalid, result_of
from cartctl.inputs import InvalidInput, parse_json


def carry(session: requests.Session, http: Http) -> None:
    """Give a session's requests that service's deadline, limits, credentials and redirects.

    To be called after the client got the session: it mounts adapters of its own.
    """
    session.trust_env = False  # the transport handles proxies; .netrc is never used
    session.hooks["response"].append(_refuse_doubtful)
    for prefix in list(session.adapters):
        session.mount(prefix, _OverHttp(http))


class _OverHttp(requests.adapters.BaseAdapter):
    """Sends each request through `http`."""

    def __init__(self, http: Http) -> None:
        super().__init__()
        self._http = http

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        """One request. Raises HttpUnreachable and HttpRedirected."""
        parts = urlsplit(str(request.url))
        base = urlsplit(self._http.base_url).path
        path = parts.path.removeprefix(base) + (f"?{parts.query}" if parts.query else "")
        received = self._http.send(str(request.method), path, timeout=options["timeout"])
        response = requests.Response()
        response.status_code, response.url, response.request = received.status, str(request.url), request
        response.encoding = "utf-8"
        response.raw = io.BytesIO(received.body.encode(errors="replace"))
        return response

    def close(self) -> None:
        """No connection is kept open."""


def _refuse_doubtful(response: requests.Response, **_: Any) -> None:
    """The client ignores status, warnings and partial responses, and trusts the structure: here each of these fails the query."""
    try:
        body = parse_json(response.text)
    except InvalidInput as error:
        raise ResponseInvalid(f"HTTP {response.status_code} without JSON") from error
    result_of(response.status_code, body)
