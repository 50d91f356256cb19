"""Clients that never try again: every request that is not answered as it should be counts as lost."""

import http.client
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Load:
    """What a crowd of clients has seen."""

    seen: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def note(self, outcome: str) -> None:
        """Count one outcome."""
        with self.guard:
            self.seen[outcome] += 1

    @property
    def lost(self) -> dict[str, int]:
        """Everything that was no 200."""
        return {outcome: count for outcome, count in self.seen.items() if outcome != "200"}


@contextmanager
def load(
    url: str, path: str, headers: Mapping[str, str], *, each: int = 4, every: float = 0.06
) -> Iterator[Load]:
    """`each` clients on kept connections and as many on fresh ones, each asking every `every` seconds."""
    seen = Load()

    def client(*, keeps: bool) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while not seen.stopped.wait(every):
            seen.note(_ask(connection, path, headers))
            if not keeps:
                connection.close()
        connection.close()

    threads = [
        threading.Thread(target=client, kwargs={"keeps": number % 2 == 0}) for number in range(2 * each)
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.stopped.set()
        for thread in threads:
            thread.join()


def _ask(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> str:
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as lost:
        connection.close()
        return f"{type(lost).__name__}: {lost}"
    return str(answer.status)
