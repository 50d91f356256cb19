"""Carries the Prometheus client's requests over our own HTTP adapter, and refuses the responses that it would trust."""

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
    session.trust_env = False  # proxies are the transport's business; a .netrc is nobody's
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
        """Nothing is held open."""


def _refuse_doubtful(response: requests.Response, **_: Any) -> None:
    """The client reads no status, no warning and no partial response, and trusts the shape: here each ends the query."""
    try:
        body = parse_json(response.text)
    except InvalidInput as error:
        raise ResponseInvalid(f"HTTP {response.status_code} without JSON") from error
    result_of(response.status_code, body)
