"""The monitor's own requests: the critical paths, and enough traffic to evaluate the metrics when there are few users.

They carry the admin's token, so that our own maintenance does not fail them. Without a token they pause in maintenance,
and the auth path passes if it requires one.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.http.client import Http, Response
from cartctl.errors import CartctlError

CRITICAL_PATHS = {
    "auth": "/api/auth/session",
    "payments": "/api/payments/health",
    "orders": "/api/orders/health",
}
TRAFFIC_PATHS = (
    *CRITICAL_PATHS.values(),
    "/api/admin/carts",
    "/api/admin/carts/stats",
    "/api/admin/ecommerce-analytics/overview",
)
UNAUTHORIZED = 401
HEALTHY = frozenset({"ok", "up", "healthy", "pass"})
AT_ONCE = 8
MOST = 100  # requests per round; a higher minimum takes several rounds


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of one request to a critical endpoint."""

    name: str
    ok: bool
    observed: str


class Probes:
    """Sends requests to `api`, whose token belongs to an internal company's admin."""

    def __init__(self, api: Http) -> None:
        self._api = api
        self._next = 0

    @property
    def pass_maintenance(self) -> bool:
        """Whether the requests succeed during maintenance."""
        return self._api.has_token

    def critical(self) -> list[Probe]:
        """Every critical path once, in order."""
        with ThreadPoolExecutor(len(CRITICAL_PATHS), thread_name_prefix="cartctl probe") as pool:
            return list(pool.map(self._probe, CRITICAL_PATHS, CRITICAL_PATHS.values()))

    def traffic(self, requests: int) -> None:
        """Send this many ordinary requests; the metrics evaluate their responses."""
        count = min(requests, MOST)
        paths = [TRAFFIC_PATHS[(self._next + i) % len(TRAFFIC_PATHS)] for i in range(count)]
        self._next += count
        if paths:
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cartctl traffic") as pool:
                list(pool.map(self._send, paths))

    def _send(self, path: str) -> None:
        try:
            self._api.get(path)
        except CartctlError:
            return  # the critical paths count requests without a response

    def _probe(self, name: str, path: str) -> Probe:
        try:
            return Probe(name, *judge_path(name, self._api.get(path), token=self._api.has_token))
        except CartctlError as error:
            return Probe(name, ok=False, observed=error.message)


def judge_path(name: str, response: Response, *, token: bool) -> tuple[bool, str]:
    """Whether a critical path works, and a description of its response. Raises MalformedResponse if the body is not JSON."""
    if name == "auth" and not token:
        return response.status == UNAUTHORIZED, f"HTTP {response.status} without a token"
    if not response.ok:
        return False, f"HTTP {response.status}"
    body: Any = response.json()
    if not isinstance(body, dict):
        return False, "not a JSON object"
    if name == "auth":
        return ("company" in body), ("a session" if "company" in body else "a session without a company")
    status = str(body.get("status", "ok")).lower()
    return status in HEALTHY, f"status {status}"
