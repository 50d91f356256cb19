"""The HTTP client: the application's API, the dashboard, webhooks, the CDN and the sandbox's control API.

Every request uses a new connection, as a new shopper's does: none stays open, and a load balancer chooses again.
"""

import os
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, cached_property
from typing import Any, TypeAlias
from urllib.parse import urljoin, urlsplit

import httpx

from cartctl.adapters.http.access import Access
from cartctl.adapters.http.body import BodyInvalid, BodyTooLarge, decode, read_body
from cartctl.adapters.http.response import MalformedResponse, Response
from cartctl.deadline import DeadlineExceeded, Lifeline, within
from cartctl.errors import ConfigError, StepFailed
from cartctl.redaction import mask, register_address

__all__ = ["Access", "Http", "HttpRedirected", "HttpUnreachable", "MalformedResponse", "Response"]

BODY_LIMIT = 8 * 1024 * 1024  # maximum bytes of a response
MAX_SECONDS = 86400.0  # maximum seconds of one request; sockets do not accept arbitrary limits
REDIRECTS = 5
PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
Observer: TypeAlias = Callable[[str, str, Response], None]
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class HttpUnreachable(StepFailed):
    """No response: refused, timed out, TLS not verified, or connection lost."""

    code = "http_unreachable"


class HttpRedirected(StepFailed):
    """A redirect to another host; it was not followed, and the token was not sent there."""

    code = "http_redirected"


class Http:
    """An HTTP service at `base_url`, with an optional bearer `token`, or with all that `access` holds.

    `timeout` is the limit in seconds of a whole request, from the name's resolution to the body's last byte; `ends` is a moment of
    `time.monotonic` at which every request ends; `observe` is called with method, path and response of each. TLS is verified
    unless `verify` is off. Thread-safe; keeps no connection open.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None = None,
        timeout: float = 10,
        verify: bool = True,
        ends: float = float("inf"),
        observe: Observer | None = None,
        access: Access | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/") + "/"
        self._access = access or Access(token=token, verify=verify)
        self._timeout = min(timeout, MAX_SECONDS)
        self._ends = ends
        self._observe = observe
        register_address(base_url)
        if not _is_web_address(self.base_url):
            raise ConfigError(
                f"invalid web address {self.masked!r}.", hint="It must begin with http:// or https://."
            )
        if "@" in urlsplit(self.base_url).netloc and self._access.authorizes:
            raise ConfigError(
                f"the address {self.masked!r} contains a user, but other credentials are configured as well.",
                hint="Remove one of them: both use the same header.",
            )

    def __repr__(self) -> str:
        return f"Http({self.masked!r})"

    @property
    def masked(self) -> str:
        """The base address without credentials, for messages."""
        return mask(self.base_url.rstrip("/"))

    @property
    def has_token(self) -> bool:
        """Whether requests carry a token."""
        return self._access.token is not None

    def without_token(self) -> "Http":
        """The same service, without authentication."""
        return self._with(access=replace(self._access, token=None))

    def ending_at(self, moment: float) -> "Http":
        """The same service, with a deadline for all requests (a value of `time.monotonic`)."""
        return self._with(ends=moment)

    def observed_by(self, observe: Observer) -> "Http":
        """The same service; `observe` is called with each response, in the thread of its request."""
        return self._with(observe=observe)

    def _with(self, **changes: Any) -> "Http":
        own = {"access": self._access, "timeout": self._timeout, "ends": self._ends}
        return Http(self.base_url, **{**own, "observe": self._observe, **changes})

    def check_certificates(self) -> None:
        """Load the CA certificates. Raises ConfigError."""
        _ = self._tls

    def get(
        self, path: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
    ) -> Response:
        """GET `path` below the base address; follow redirects on the same host.

        Raises HttpUnreachable without a response, and HttpRedirected for a redirect to another host.
        """
        return self.send("GET", path, headers=headers, params=params)

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """One request, with `json` as its body, in at most `timeout` seconds, redirects included; None: the service's own limit.

        Raises as `get` does; follows redirects for GET and HEAD only.
        """
        url = self.base_url + path.lstrip("/") if path else self.base_url.rstrip("/")  # never another host
        if params:
            url = f"{url}{'&' if '?' in url else '?'}{httpx.QueryParams(dict(params))}"
        started = time.monotonic()
        own = self._timeout if timeout is None else timeout
        limit = min(own, max(0.0, self._ends - started))
        sent = self._headers(headers or {})
        try:
            response = within(limit, lambda line: self._follow(method, url, json, sent, started, line))
        except DeadlineExceeded as overdue:
            reason = f"it took longer than {limit:.3g} s" + ("" if limit == own else ", the remaining time")
            raise _unreachable(url, reason) from overdue
        if self._observe is not None:
            self._observe(method, path, response)
        return response

    def _follow(
        self, method: str, url: str, json: Any, headers: Mapping[str, str], started: float, line: Lifeline
    ) -> Response:
        for _ in range(REDIRECTS + 1):
            response = self._once(method, url, json, headers, started, line)
            target = response.headers.get("location")
            if not (300 <= response.status < 400 and target and method in {"GET", "HEAD"}):  # noqa: PLR2004 - redirects
                return response
            url = self._same_host(url, target)
        raise HttpUnreachable(f"{mask(url)} redirects more than {REDIRECTS} times.")

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        own = {
            "Accept": "application/json, text/html;q=0.9, */*;q=0.1",
            "Accept-Encoding": "gzip",
            "User-Agent": "cartctl",
        }
        return own | self._access.header_fields() | dict(more)

    def _same_host(self, url: str, location: str) -> str:
        try:
            target = urljoin(url, location)
        except ValueError:
            target = ""
        if not _is_web_address(target):
            raise HttpRedirected(f"{mask(url)} redirects to an invalid address.")
        here, there = urlsplit(url), urlsplit(target)
        same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
        upgraded = (here.scheme, there.scheme) == ("http", "https") and here.hostname == there.hostname
        if same or (upgraded and there.port in {None, 443}):
            return target
        raise HttpRedirected(
            f"{mask(url)} redirects to another host, {there.scheme}://{there.netloc.rpartition('@')[2]}.",
            hint="The token was not sent there. Configure the final address.",
        )

    def _once(
        self, method: str, url: str, json: Any, headers: Mapping[str, str], started: float, line: Lifeline
    ) -> Response:
        try:
            with (
                self._client(url) as client,
                client.stream(
                    method, url, json=json, headers=headers, extensions={"trace": _holding(line)}
                ) as response,
            ):
                received = {name.lower(): value for name, value in response.headers.items()}
                body = read_body(response.iter_raw(), received.get("content-encoding", ""), BODY_LIMIT)
        except BodyTooLarge as error:
            raise HttpUnreachable(
                f"{mask(url)} sent a response of more than {BODY_LIMIT // 2**20} MB."
            ) from error
        except BodyInvalid as error:
            raise _unreachable(url, str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise _unreachable(url, mask(_reason(error))) from error
        text, damaged = decode(body, received.get("content-type", ""))
        return Response(response.status_code, received, text, time.monotonic() - started, damaged)

    def _client(self, url: str) -> httpx.Client:
        host = urlsplit(self.base_url).hostname or ""
        local = host in {"localhost", "::1"} or host.startswith("127.")
        verify = self._tls if url.startswith("https:") else _unverified()
        try:
            return httpx.Client(timeout=self._timeout, verify=verify, trust_env=not local)
        except (
            httpx.InvalidURL,
            ValueError,
            ImportError,
        ) as error:  # from proxies; the value may contain a password
            raise ConfigError(
                f"The proxy settings cannot be used: {_given(PROXIES)}.",
                hint="Write http://HOST:PORT, or unset it; SOCKS needs: pip install 'httpx[socks]'",
            ) from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Created once: reading the certificates takes tens of milliseconds."""
        try:
            return self._access.tls(lambda verify: httpx.create_ssl_context(verify=verify))
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(
                f"The CA certificates cannot be read: {_given(CERTIFICATES)}.",
                hint="Set it to an existing PEM file, or unset it.",
            ) from error


@cache
def _unverified() -> ssl.SSLContext:
    """For plain HTTP; created once, since a client would create one per request."""
    return httpx.create_ssl_context(verify=False)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        return False


def _holding(line: Lifeline) -> Callable[[str, Mapping[str, Any]], None]:
    """A trace callback that registers every new connection, so that a deadline can close it."""

    def trace(name: str, info: Mapping[str, Any]) -> None:
        stream = info.get("return_value")
        if name.endswith(("connect_tcp.complete", "start_tls.complete")) and stream is not None:
            line.hold(stream.get_extra_info("socket"))

    return trace


def _unreachable(url: str, reason: str) -> HttpUnreachable:
    return HttpUnreachable(
        f"{mask(url)} does not respond: {reason}.", hint="Check the address, and that the service is running."
    )


def _given(names: Iterable[str]) -> str:
    """Which environment variables are set, without their values."""
    known = [name for name in os.environ if name.upper() in set(names)]
    return f"see {', '.join(sorted(known))}" if known else "see the system's settings"


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    return str(error).rstrip(".") or type(error).__name__
