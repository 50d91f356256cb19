"""The history of an application with five replicas, as OpenMetrics text with times, for promtool to write."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.prometheus import BUCKETS

EVERY = 15.0  # seconds between two scrapes
REPLICAS = 5


@dataclass(frozen=True)
class Served:
    """What one replica served between two scrapes: requests by status, and how long each took (seconds)."""

    statuses: dict[str, int]
    seconds: float = 0.05
    restarted: bool = False  # its counters began at zero before these
    up: bool = True


Behaviour = Callable[[float, int], Served]  # seconds since the beginning, number of the replica


@dataclass
class _Replica:
    """Its counters."""

    number: int
    statuses: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    total: int = 0

    def serve(self, served: Served) -> None:
        """Count."""
        if served.restarted:
            self.statuses, self.buckets, self.total = {}, [0] * len(BUCKETS), 0
        for status, count in served.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
            self.total += count
            self.buckets = [
                have + count * (served.seconds <= top)
                for have, top in zip(self.buckets, BUCKETS, strict=True)
            ]

    def samples(self) -> Iterator[tuple[str, str, int]]:
        """Family, series and value of each counter."""
        instance = f'instance="api-{self.number}"'
        for status, count in self.statuses.items():
            yield "http_requests", f'http_requests_total{{{instance},status="{status}"}}', count
        for name in ("http_request_duration_seconds", "db_query_duration_seconds"):
            tops = [*(str(top) for top in BUCKETS), "+Inf"]
            for top, count in zip(tops, [*self.buckets, self.total], strict=True):
                yield name, f'{name}_bucket{{{instance},le="{top}"}}', count
            yield name, f"{name}_count{{{instance}}}", self.total


def application(begin: float, end: float, behaviour: Behaviour) -> list[tuple[str, str, float, int]]:
    """Family, series, time and value of every sample; the replicas are scraped one after another within an interval."""
    written = []
    for number in range(REPLICAS):
        replica, at = _Replica(number), begin + number * EVERY / REPLICAS
        while at <= end:
            served = behaviour(at - begin, number)
            if served.up:
                replica.serve(served)
                written += [(family, series, at, value) for family, series, value in replica.samples()]
            at += EVERY
    return written


def openmetrics(samples: list[tuple[str, str, float, int]]) -> Iterator[str]:
    """The lines of the text format: family by family, series by series, by time."""
    kinds = {"http_requests": "counter"}
    known = ""
    for family, series, at, value in sorted(samples, key=lambda one: (one[0], one[1], one[2])):
        if family != known:
            known = family
            yield f"# TYPE {family} {kinds.get(family, 'unknown')}"
        yield f"{series} {value} {at:.3f}"
