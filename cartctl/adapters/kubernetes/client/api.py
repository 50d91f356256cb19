"""Requests to the API server, with retries of transient errors until a deadline."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from random import uniform
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable, PodResponse
from cartctl.adapters.kubernetes.client.access import Access
from cartctl.adapters.kubernetes.client.responses import (
    EXPIRED,
    FORBIDDEN,
    NOT_FOUND,
    TRANSIENT,
    UNAUTHORIZED,
    ClusterRefused,
    Reply,
    checked,
    forbidden,
    is_forbidden,
    is_status,
    message_of,
    retry_after,
)
from cartctl.adapters.kubernetes.client.transport import JSON, Request, Stream, Transport
from cartctl.errors import ConfigError

RETRY_SECONDS = 60.0  # seconds of retries with a server that has responded before
FIRST = 6.0  # and with one that never has: a wrong address must be reported soon
FROM_NODE = 2.0  # and for requests that the server forwards to a pod's node, which may be lost
STARTING = (
    15.0  # seconds after an outage in which a server may return 403 because it has not loaded its roles yet
)
PAGE = 500


class Api:
    """The API server at `access`, for one namespace. Times in seconds; tests replace `sleep` and `clock`."""

    def __init__(
        self,
        access: Access,
        namespace: str,
        *,
        retry_seconds: float = RETRY_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.namespace = namespace
        self.access = access
        self._transport = Transport(access, clock)
        self._retry_seconds = retry_seconds
        self._sleep = sleep
        self._clock = clock
        self._responded = False

    def path(self, group: str, resource: str, name: str = "", below: str = "") -> str:
        """The path of a kind or an object of the namespace; `group` is "" for the core, else like apps/v1."""
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{resource}" + "".join(
            f"/{part}" for part in (name, below) if part
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """One object. Raises ClusterRefused (404 if not found) and the others of `send`."""
        return self.send("GET", path, query=query)

    def find(self, path: str) -> Any | None:
        """One object, or None."""
        try:
            return self.get(path)
        except ClusterRefused as refused:
            if refused.status == NOT_FOUND:
                return None
            raise

    def listing(self, path: str, query: Mapping[str, str] | None = None) -> tuple[list[dict[str, Any]], str]:
        """Every object of a kind, page after page, and the version the list stands for.

        Raises ConfigError when the server does not know the kind, and the others of `send`.
        """
        while True:
            try:
                return self._pages(path, dict(query or {}))
            except ClusterRefused as refused:
                if refused.status == NOT_FOUND:  # a namespace that does not exist has an empty list
                    raise _too_old(path) from refused
                if refused.status != EXPIRED:  # the list expired on the server: start again
                    raise

    def _pages(self, path: str, query: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
        items: list[dict[str, Any]] = []
        going = ""
        while True:
            parameters = {**query, "limit": str(PAGE)} | ({"continue": going} if going else {})
            page = self.get(path, parameters)
            items += page.get("items") or []
            going = page["metadata"].get("continue", "")
            if not going:
                return items, str(page["metadata"].get("resourceVersion", ""))

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """A text body, such as a log. It comes from a pod's node, with a shorter time limit than the server's own."""
        reply = self._send_with_retries(Request("GET", path, query), min(FROM_NODE, self._retry_seconds))
        return checked(reply).body.decode(errors="replace")

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = JSON,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """One request, retried after transient errors.

        Raises ClusterUnreachable at the deadline, ClusterRefused, ClusterForbidden, Unauthorized.
        """
        given = {"fieldManager": "cartctl", **(query or {})} if method != "GET" else query
        return checked(
            self._send_with_retries(Request(method, path, given, body, content), self._retry_seconds)
        ).json()

    def ask(self, path: str, headers: Mapping[str, str]) -> PodResponse:
        """GET a proxy path, once. Raises ClusterUnreachable if the API server itself responds with an error."""
        request = Request("GET", path, headers=headers)
        reply = self._transport.once(request)
        if reply.status == UNAUTHORIZED and is_status(reply):
            self.access.renew()
            reply = self._transport.once(request)
        if is_status(reply):
            status = reply.json()
            if reply.status == FORBIDDEN and not self._is_starting(reply):
                raise forbidden(status)
            raise ClusterUnreachable(f"The pod does not respond: {status.get('message', reply.status)}.")
        return PodResponse(reply.status, reply.headers, reply.body.decode(errors="replace"))

    def stream(
        self, path: str, query: Mapping[str, str], *, silence: float
    ) -> AbstractContextManager[Stream]:
        """A streamed response; `silence` is the maximum time without data. Raises as `send`, without retries."""
        return self._transport.stream(Request("GET", path, query), silence=silence)

    def _send_with_retries(self, request: Request, retry_seconds: float) -> Reply:
        began, wait, renewed = self._clock(), 0.1, False
        end = began + (retry_seconds if self._responded else min(FIRST, retry_seconds))
        while True:
            try:
                reply = self._transport.once(request)
            except ClusterUnreachable:
                if self._clock() + wait >= end:
                    raise
                self._sleep(uniform(wait / 2, wait))  # noqa: S311 - jitter, not a secret
            else:
                self._responded, end = True, began + retry_seconds
                if reply.status == UNAUTHORIZED and not renewed:
                    renewed = True
                    self.access.renew()
                    continue
                starting = self._is_starting(reply)
                if reply.status not in TRANSIENT and not starting:
                    return reply
                pause = retry_after(reply) or uniform(wait / 2, wait)  # noqa: S311 - jitter, not a secret
                if self._clock() + pause >= end:
                    if starting:
                        return reply
                    raise ClusterUnreachable(
                        f"The API server responded with HTTP {reply.status}: {message_of(reply)}",
                        hint="Check its health: kubectl get --raw /readyz",
                    )
                self._sleep(pause)
            wait = min(2 * wait, 2.0)

    def _is_starting(self, reply: Reply) -> bool:
        """Whether a 403 may be due to a server that has just restarted and has not loaded its roles yet."""
        absent = self._transport.absent
        return is_forbidden(reply) and absent is not None and absent < STARTING


def _too_old(path: str) -> ConfigError:
    version, _, rest = path.removeprefix("/apis/").partition("/namespaces/")
    return ConfigError(
        f"The API server does not serve {version} {rest.rpartition('/')[2]}.",
        hint="cartctl needs Kubernetes 1.23 or newer.",
    )
