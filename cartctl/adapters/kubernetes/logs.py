"""The logs of pods: the last lines for a failure, and the continuous logs of a selector's pods, as they come and go.

Following requests what is newer than the last line read, container by container: no stream or thread per pod, and a container that
was restarted meanwhile still returns its previous log.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cartctl.adapters.cluster import ClusterUnreachable
from cartctl.adapters.kubernetes.client.api import Api
from cartctl.adapters.kubernetes.client.responses import ClusterRefused
from cartctl.adapters.kubernetes.workloads.parsing import is_ending, is_ready
from cartctl.adapters.log_lines import LogLine

FAILING_PODS = 3  # pods whose lines are shown: the others fail for the same reason
LIMIT_BYTES = 8 * 2**20  # of one reading of one container
Item = Mapping[str, Any]


def last_lines(api: Api, pods: list[dict[str, Any]], *, lines: int, failing: bool) -> list[str]:
    """The last lines of every container, a crashed one's previous ones first; `failing`: of unready pods only.

    Terminating pods are not ready either, but do not show why a release fails.
    """
    unready = [pod for pod in pods if not is_ready(pod) and not is_ending(pod)]
    chosen = unready[:FAILING_PODS] if failing else pods
    result: list[str] = []
    for pod in chosen:
        for container in _containers(pod):
            if failing and container.ready:
                continue
            for previous in (True, False) if container.restarts and not container.ready else (False,):
                query = {"tailLines": str(lines)}
                result += _text(api, pod["metadata"]["name"], container.name, query, previous=previous)
    return result


class Tail:
    """Follows the logs of every container of the pods that match a label selector, from `since` seconds ago."""

    def __init__(self, api: Api, selector: str, *, since: float) -> None:
        self._api = api
        self._selector = selector
        self._since = max(1, int(since))
        self._seen: dict[tuple[str, str], tuple[int, str]] = {}  # pod uid, container → restarts, last time

    def read(self) -> list[LogLine]:
        """The lines written since the last read, by time. Read-only."""
        pods, _ = self._api.listing(self._api.path("", "pods"), {"labelSelector": self._selector})
        lines = [
            line for pod in pods for container in _containers(pod) for line in self._read(pod, container)
        ]
        return sorted(lines, key=lambda line: line.at)

    def _read(self, pod: Item, container: "_Container") -> Iterator[LogLine]:
        key = (pod["metadata"]["uid"], container.name)
        restarts, last = self._seen.get(key, (0, ""))
        for previous in (True, False) if container.restarts > restarts else (False,):
            query = {"timestamps": "true", "limitBytes": str(LIMIT_BYTES), **self._from(last)}
            for text in _text(self._api, pod["metadata"]["name"], container.name, query, previous=previous):
                at, _, line = text.partition(" ")
                if at > last:
                    last = at
                    yield LogLine(at, pod["metadata"]["name"], container.name, line)
        self._seen[key] = (container.restarts, last)

    def _from(self, last: str) -> dict[str, str]:
        """The server counts in whole seconds; lines that it returns twice are skipped by their time."""
        return {"sinceTime": f"{last[:19]}{_zone(last)}"} if last else {"sinceSeconds": str(self._since)}


@dataclass(frozen=True, slots=True)
class _Container:
    name: str
    restarts: int
    ready: bool


def _containers(pod: Item) -> list[_Container]:
    """The containers that have started at least once, or tried to."""
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return [_Container(one["name"], one.get("restartCount", 0), bool(one.get("ready"))) for one in statuses]


def _text(api: Api, pod: str, container: str, query: Mapping[str, str], *, previous: bool) -> list[str]:
    """The lines of a container; none if it has no log.

    A container that has not started has no log yet; one whose log was rotated or whose node is gone has none any more. If the
    API server itself is down, the next list reports it.
    """
    parameters = {"container": container, **query, **({"previous": "true"} if previous else {})}
    try:
        return api.text(api.path("", "pods", pod, "log"), parameters).splitlines()
    except (ClusterRefused, ClusterUnreachable):
        return []


def _zone(at: str) -> str:
    """The zone of a time with a fraction: Z, or +02:00."""
    return at[-6:] if at[-6] in "+-" else "Z"
