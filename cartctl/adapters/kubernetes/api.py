"""Requests to the API server: a time limit on each, retries until a deadline, errors in cartctl's own words."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import uniform
from typing import Any
from urllib.parse import urlencode

import urllib3

from cartctl.adapters.cluster import Answer, ClusterUnreachable
from cartctl.adapters.kubernetes.access import Access
from cartctl.adapters.kubernetes.answers import (
    FORBIDDEN,
    GONE,
    NOT_FOUND,
    PASSING,
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
from cartctl.errors import ConfigError

CONNECT, READ = 5.0, 15.0  # seconds that one attempt may take to connect, and to answer
PATIENCE = 60.0  # seconds of trying again with a server that has answered before
FIRST = 6.0  # and with one that never has: a wrong address should be told soon
FROM_NODE = 2.0  # and for what the server has to ask a pod's node for: the node may be gone for good
STARTING = 15.0  # seconds after a server was gone in which it may forbid what it allows: it has not read its roles yet
PAGE = 500
JSON, JSON_PATCH, MERGE_PATCH = (
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer as it arrives; `end` ends it from another thread."""

    chunks: Iterator[bytes]
    end: Callable[[], None]


class Api:
    """The API server behind `access`, asked about one namespace. Times in seconds; `sleep` and `clock` are a test's."""

    def __init__(
        self,
        access: Access,
        namespace: str,
        *,
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.namespace = namespace
        self.access = access
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._answered = False
        self._gone = -STARTING  # when it did not answer, or broke off

    def path(self, group: str, resource: str, name: str = "", below: str = "") -> str:
        """The path of a kind or an object of the namespace; `group` is "" for the core, else like apps/v1."""
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{resource}" + "".join(
            f"/{part}" for part in (name, below) if part
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """One object. Raises ClusterRefused (404 when there is none) and the others of `send`."""
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
                if refused.status != GONE:  # a list that took longer than the server remembers begins anew
                    raise

    def _pages(self, path: str, query: dict[str, str]) -> tuple[list[dict[str, Any]], str]:
        items: list[dict[str, Any]] = []
        going = ""
        while True:
            asked = {**query, "limit": str(PAGE)} | ({"continue": going} if going else {})
            page = self.get(path, asked)
            items += page.get("items") or []
            going = page["metadata"].get("continue", "")
            if not going:
                return items, str(page["metadata"].get("resourceVersion", ""))

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """A body that is no JSON: a log. It comes from a pod's node, which is not asked for as long as the server itself."""
        reply = self._persist("GET", path, query, None, JSON, patience=min(FROM_NODE, self._patience))
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
        """One request, made again while its answer is a passing one.

        Raises ClusterUnreachable at the deadline, ClusterRefused, ClusterForbidden, Unauthorized.
        """
        given = {"fieldManager": "cartctl", **(query or {})} if method != "GET" else query
        return checked(self._persist(method, path, given, body, content)).json()

    def ask(self, path: str, headers: Mapping[str, str]) -> Answer:
        """GET what stands behind a proxy path, once. Raises ClusterUnreachable when the API server answers itself."""
        reply = self._once("GET", path, None, None, JSON, headers)
        if reply.status == UNAUTHORIZED and is_status(reply):
            self.access.renew()
            reply = self._once("GET", path, None, None, JSON, headers)
        if is_status(reply):
            told = reply.json()
            if reply.status == FORBIDDEN and not self._is_starting(reply):
                raise forbidden(told)
            raise ClusterUnreachable(f"The pod does not answer: {told.get('message', reply.status)}.")
        return Answer(reply.status, reply.headers, reply.body.decode(errors="replace"))

    @contextmanager
    def stream(self, path: str, query: Mapping[str, str], *, silence: float) -> Iterator[Stream]:
        """An answer as it arrives; `silence` is how long nothing may come. Raises as `send`, without retries."""
        timeout = urllib3.Timeout(connect=CONNECT, read=silence)
        answer = self._open("GET", path, query, None, JSON, {}, timeout)
        try:
            if answer.status >= 400:  # noqa: PLR2004 - HTTP's errors
                checked(_reply(answer, answer.read()))
            yield Stream(answer.stream(2**16, decode_content=True), lambda: _end(answer))
        except (urllib3.exceptions.HTTPError, OSError) as broken:
            self._gone = self._clock()
            raise ClusterUnreachable(f"The API server's stream broke: {broken}") from broken
        finally:
            answer.close()
            answer.release_conn()

    def _persist(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content: str,
        *,
        patience: float | None = None,
    ) -> Reply:
        most = self._patience if patience is None else patience
        began = self._clock()
        end = began + (most if self._answered else min(FIRST, most))
        wait, renewed = 0.1, False
        while True:
            try:
                reply = self._once(method, path, query, body, content, {})
            except ClusterUnreachable:
                if self._clock() + wait >= end:
                    raise
                self._sleep(uniform(wait / 2, wait))  # noqa: S311 - jitter, not a secret
            else:
                self._answered, end = True, began + most
                if reply.status == UNAUTHORIZED and not renewed:
                    renewed = True
                    self.access.renew()
                    continue
                starting = self._is_starting(reply)
                if reply.status not in PASSING and not starting:
                    return reply
                pause = retry_after(reply) or uniform(wait / 2, wait)  # noqa: S311 - jitter, not a secret
                if self._clock() + pause >= end:
                    if starting:
                        return reply
                    raise ClusterUnreachable(
                        f"The API server answers with HTTP {reply.status}: {message_of(reply)}",
                        hint="Look at its health: kubectl get --raw /readyz",
                    )
                self._sleep(pause)
            wait = min(2 * wait, 2.0)

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content: str,
        headers: Mapping[str, str],
    ) -> Reply:
        timeout = urllib3.Timeout(connect=CONNECT, read=READ)
        answer = self._open(method, path, query, body, content, headers, timeout)
        try:
            return _reply(answer, answer.read())
        except (urllib3.exceptions.HTTPError, OSError) as broken:
            raise self._silent(broken) from broken
        finally:
            answer.release_conn()

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content: str,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.access.host}{path}" + (f"?{urlencode(query)}" if query else "")
        sent = {"Accept": "application/json, */*", "User-Agent": "cartctl", **headers}
        if body is not None:
            sent["Content-Type"] = content
        try:
            return self.access.pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers={**sent, **self.access.headers()},
                timeout=timeout,
                preload_content=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as broken:
            raise self._silent(broken) from broken

    def _is_starting(self, reply: Reply) -> bool:
        """Whether a verb is forbidden by a server that was gone a moment ago, and may only not have read its roles yet."""
        return is_forbidden(reply) and self._clock() - self._gone < STARTING

    def _silent(self, broken: Exception) -> ClusterUnreachable:
        self._gone = self._clock()
        reason = getattr(broken, "reason", None) or broken
        return ClusterUnreachable(
            f"The API server {self.access.host} does not answer: {reason}.",
            hint="Look with: kubectl cluster-info",
        )


def _reply(answer: urllib3.BaseHTTPResponse, body: bytes) -> Reply:
    return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, body)


def _end(answer: urllib3.BaseHTTPResponse) -> None:
    """A stream that has ended by itself, or that its server has closed, is past ending."""
    with suppress(OSError, ValueError, RuntimeError):
        answer.shutdown()


def _too_old(path: str) -> ConfigError:
    version, _, rest = path.removeprefix("/apis/").partition("/namespaces/")
    return ConfigError(
        f"The API server does not serve {version} {rest.rpartition('/')[2]}.",
        hint="cartctl needs Kubernetes 1.23 or newer.",
    )
