"""One line of an application's log, and following logs that are read as whole files."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line, its time (ISO 8601, "" if unknown), pod and container."""

    kind: ClassVar[str] = "log"

    at: str
    pod: str
    container: str
    text: str


class Tail(Protocol):
    """Follows logs."""

    def read(self) -> list[LogLine]:
        """The lines since the last read. Read-only."""


class FileTail:
    """Follows logs whose lines begin with their time; `read_all` returns a deployment's last lines by pod.

    `since` is seconds back from now.
    """

    def __init__(
        self, read_all: Callable[[str], Mapping[str, list[str]]], deployments: Iterable[str], *, since: float
    ) -> None:
        self._read_all = read_all
        self._deployments = tuple(deployments)
        self._begin = (datetime.now(UTC) - timedelta(seconds=since)).isoformat()
        self._last: dict[str, list[str]] = {}

    def read(self) -> list[LogLine]:
        """The lines since the last read, by time. Read-only."""
        result: list[LogLine] = []
        for deployment in self._deployments:
            for pod, lines in self._read_all(deployment).items():
                for line in _after(self._last.get(pod, []), lines):
                    at, _, text = line.partition(" ")
                    if at >= self._begin:
                        result.append(LogLine(at, pod, deployment, text))
                self._last[pod] = lines
        return sorted(result, key=lambda line: line.at)


def _after(known: list[str], lines: list[str]) -> list[str]:
    """The new lines of a file whose beginning may have been cut off."""
    for start in range(len(known)):
        if lines[: len(known) - start] == known[start:]:
            return lines[len(known) - start :]
    return lines
