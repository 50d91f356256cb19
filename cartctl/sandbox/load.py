"""Traffic for a sandbox: shoppers and admins, at a constant rate independent of the responses.

Requests start when they are due, not when earlier responses arrive; latency is measured from that moment, so that a stall shows
in every request it delays.
"""

import http.client
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from cartctl.adapters.http.client import Http
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, Interrupted
from cartctl.sandbox.layout import Layout, checked_directory
from cartctl.sandbox.status import read_status

TIMEOUT = 5.0  # seconds for one request; a request not sent within this time after the end counts as an error
CLIENTS = 64  # maximum number of clients, each with its own connection
PER_CLIENT = 4.0  # requests per second expected of one client
OK = "200"


@dataclass(frozen=True, slots=True)
class Visit:
    """A kind of request; `share` is its weight among all."""

    who: str
    path: str
    share: int
    dashboard: bool = False
    carts: bool = False


VISITS = (
    Visit("shopper", "/api/products", 50),
    Visit("shopper", "/api/payments/health", 10),
    Visit("shopper", "/api/orders/health", 10),
    Visit("admin", "/api/auth/session", 6),
    Visit("admin", "/", 4, dashboard=True),
    Visit("admin", "/api/admin/carts", 6, carts=True),
    Visit("admin", "/api/admin/carts?status=ABANDONED", 3, carts=True),
    Visit("admin", "/api/admin/carts/stats", 3, carts=True),
    Visit("admin", "/api/admin/carts/recovery", 2, carts=True),
    Visit("admin", "/api/admin/ecommerce-analytics/overview", 3, carts=True),
    Visit("admin", "/carts", 3, dashboard=True, carts=True),
)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds from a request's due time to its complete response, by percentile."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of a load: `statuses` counts responses by status, failed requests by error, and requests not sent as `unsent`."""

    kind: ClassVar[str] = "load"

    asked_rps: float
    rps: float
    seconds: float
    requests: int
    errors: int
    error_rate: float
    latency: Latencies
    by_visitor: dict[str, Latencies]
    statuses: dict[str, int]


@dataclass
class _LoadRecord:
    """The clients' results so far."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """The number of requests."""
        return self.statuses.total()

    def note(self, who: str, outcome: str, seconds: float) -> None:
        """Record a response's status, or the error."""
        with self.guard:
            self.seconds.setdefault(who, []).append(seconds)
            self.statuses[outcome] += 1


class _Slots:
    """The requests in the order of their due times, handed out one by one. Thread-safe."""

    def __init__(self, visits: Sequence[Visit], rps: float, seconds: float) -> None:
        self._begun, self._rps = time.monotonic(), rps
        self._round = [visit for visit in visits for _ in range(visit.share)]
        random.Random(1).shuffle(self._round)  # noqa: S311 - an even mix, nothing secret
        self.total = max(1, round(rps * seconds))
        self._numbers: Iterator[int] = iter(range(self.total))
        self._guard = threading.Lock()
        self.stopped = threading.Event()

    def take(self) -> tuple[Visit, float] | None:
        """The next visit once it is due, with its due time; None after the last one or when stopped."""
        with self._guard:
            number = next(self._numbers, None)
        if number is None:
            return None
        due = self._begun + number / self._rps
        if self.stopped.wait(max(0.0, due - time.monotonic())):
            return None
        return self._round[number % len(self._round)], due


def load(name: str, *, rps: float, seconds: float, pulse: Pulse) -> Loaded:
    """Send `rps` requests per second to the sandbox `name` for some seconds; if stopped early, report what was measured.

    Carts are visited only where the version has them. Raises ConfigError when the sandbox does not run.
    """
    places = _places(name)
    slots, observed, started = _Slots(places.visits, rps, seconds), _LoadRecord(), time.monotonic()
    needed = max(1, min(CLIENTS, math.ceil(rps / PER_CLIENT)))
    clients = [threading.Thread(target=_client, args=(places, slots, observed)) for _ in range(needed)]
    for client in clients:
        client.start()
    try:
        while any(client.is_alive() for client in clients) and time.monotonic() < started + seconds + TIMEOUT:
            pulse.pause(0.1)
            pulse.progress(min(time.monotonic() - started, seconds), seconds, "s")
    except Interrupted:
        slots.total = 0  # the results until then count
    finally:
        slots.stopped.set()
        for client in clients:
            client.join()
    observed.statuses["unsent"] += max(0, slots.total - observed.requests)
    return _summary(observed, rps, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Places:
    """The addresses of a sandbox and the paths to visit."""

    api: str
    dashboard: str
    token: str
    visits: tuple[Visit, ...]


def _places(name: str) -> _Places:
    status = read_status(name)
    if not status.api_url or not status.dashboard_url:
        raise ConfigError(
            f"The sandbox {name} is not running.", hint=f"Start it with: cartctl sandbox up --name {name}"
        )
    token = Layout(checked_directory(name)).token.read_text(encoding="utf-8").strip()
    version = str(Http(status.api_url).get("/health").json()["version"])
    visits = tuple(visit for visit in VISITS if not (visit.carts and version.startswith("1.")))
    return _Places(status.api_url, status.dashboard_url, token, visits)


def _client(places: _Places, slots: _Slots, observed: _LoadRecord) -> None:
    """Send the requests that are due, over persistent connections like a browser's."""
    connections = {
        dashboard: http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
        for dashboard, url in ((False, places.api), (True, places.dashboard))
    }
    while slot := slots.take():
        visit, due = slot
        headers = {"Authorization": f"Bearer {places.token}"} if visit.who == "admin" else {}
        outcome = _ask(connections[visit.dashboard], visit.path, headers)
        observed.note(visit.who, outcome, time.monotonic() - due)
    for connection in connections.values():
        connection.close()


def _ask(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> str:
    """The status of a response, or the name of the error."""
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as lost:
        connection.close()  # the next request opens a new one
        return type(lost).__name__
    return str(response.status)


def _summary(observed: _LoadRecord, rps: float, seconds: float) -> Loaded:
    every = [each for durations in observed.seconds.values() for each in durations]
    requests = observed.requests
    errors = requests - observed.statuses[OK]
    return Loaded(
        asked_rps=rps,
        rps=round(len(every) / seconds, 1),
        seconds=round(seconds, 1),
        requests=requests,
        errors=errors,
        error_rate=round(errors / requests, 6) if requests else 0.0,
        latency=latencies(every),
        by_visitor={who: latencies(durations) for who, durations in sorted(observed.seconds.items())},
        statuses={status: number for status, number in sorted(observed.statuses.items()) if number},
    )


def latencies(seconds: Sequence[float]) -> Latencies:
    """The percentiles of some durations in seconds, each one a measured value; None without any."""
    ordered = sorted(seconds)

    def at(share: float) -> float | None:
        return round(ordered[math.ceil(share * len(ordered)) - 1], 4) if ordered else None

    return Latencies(at(0.50), at(0.95), at(0.99), at(1.0))
