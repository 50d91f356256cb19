"""Metrics, maintenance mode, and the faults of the practice versions, for every request."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

from cartctl.sandbox.service.figures import REQUEST_SECONDS, REQUESTS
from cartctl.sandbox.service.log import log
from cartctl.sandbox.service.middleware.maintenance import Maintenance
from cartctl.sandbox.service.middleware.tokens import Tokens

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER, UNMATCHED = "other", "unmatched"
PROBES = {"/health", "/metrics"}
FAILING_SHARE = 10  # one in so many requests fails with `errors`
SLOW_SHARE = 5  # one in so many is slow with `slow`
SLOW_SECONDS = 3.0
SERVER_ERROR = 500


class Traffic:
    """Counts and times each request except probes, whether it passes or is refused."""

    def __init__(self, app: App, *, tokens: Tokens, maintenance: Maintenance | None, variant: str) -> None:
        self._app, self._tokens, self._maintenance, self._variant = app, tokens, maintenance, variant
        self._number = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI call."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), SERVER_ERROR

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._pass(scope, receive, watched)
        finally:
            self._count(scope, status, time.monotonic() - started)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = next(self._number)
        refused = self._refusal(scope)
        if refused is None and self._variant == "errors" and number % FAILING_SHARE == 0:
            log("ERROR", "cart pricing failed", path=scope["path"])
            refused = JSONResponse({"error": "internal"}, status_code=SERVER_ERROR)
        if self._variant == "slow" and number % SLOW_SHARE == 0:
            await asyncio.sleep(SLOW_SECONDS)
        await (refused or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """503 for shoppers during maintenance; bearers of an admin's token pass."""
        seconds = self._maintenance.retry_after() if self._maintenance else None
        if seconds is None:
            return None
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        bearer = self._tokens.bearer(given)
        if bearer is not None and bearer.admin:
            return None
        return JSONResponse({"error": "maintenance"}, status_code=503, headers={"Retry-After": str(seconds)})

    @staticmethod
    def _count(scope: Scope, status: int, seconds: float) -> None:
        """Count with labels that no client can multiply: the route's pattern and a known method, or one label for all others."""
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        REQUESTS.labels(method, route, str(status)).inc()
        REQUEST_SECONDS.labels(method, route).observe(seconds)
