"""Figures over all carts of a company: recomputed while that is fast, else the last ones with their age.

No index makes the sums of a million carts faster than the warning threshold of 100 ms (docs/scale.md). Figures that took longer
are served unchanged for a minute, and for five more while they are recomputed in the background. `Cache-Control: no-cache` asks
for new figures, as HTTP has it; the header `Age` says how old they are, in seconds.
"""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import psycopg

from cartctl.sandbox.service.data import Unavailable
from cartctl.sandbox.service.log import complain

T = TypeVar("T")

QUICK = 0.1  # seconds: figures computed in less are never cached
FRESH = 60.0  # seconds for which figures are served unchanged
USABLE = 360.0  # seconds after which figures are discarded
MOST = 10_000  # maximum number of figures


@dataclass(frozen=True, slots=True)
class Aged(Generic[T]):
    """A value and its age in seconds."""

    value: T
    age: int

    @property
    def headers(self) -> dict[str, str]:
        """The response's headers."""
        return {"Age": str(self.age)} if self.age else {}


@dataclass(frozen=True, slots=True)
class _Counted:
    value: Any
    at: float
    seconds: float


class Aggregates:
    """The last figures by key; `clock` is in seconds, monotonic. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Hashable, _Counted] = {}
        self._counting: set[Hashable] = set()
        self._guard = threading.Lock()
        self._beside = ThreadPoolExecutor(1, "aggregates")

    def read(self, key: Hashable, count: Callable[[], T], *, anew: bool = False) -> Aged[T]:
        """The figures of `key`: those that are known, or what `count` gives. Raises what `count` raises."""
        known = self._known.get(key)
        if known is None or anew or known.seconds < QUICK or self._clock() - known.at >= USABLE:
            return Aged(self._count(key, count), 0)
        age = self._clock() - known.at
        if age >= FRESH:
            self._count_beside(key, count)
        return Aged(known.value, int(age))

    def close(self) -> None:
        """Wait for running computations, and start no more."""
        self._beside.shutdown(cancel_futures=True)

    def _count(self, key: Hashable, count: Callable[[], T]) -> T:
        began = self._clock()
        value = count()
        with self._guard:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = _Counted(value, began, self._clock() - began)
        return value

    def _count_beside(self, key: Hashable, count: Callable[[], Any]) -> None:
        with self._guard:
            if key in self._counting:
                return
            self._counting.add(key)
        self._beside.submit(self._count_and_forgive, key, count)

    def _count_and_forgive(self, key: Hashable, count: Callable[[], Any]) -> None:
        """After a failure the old figure is served once more, and recomputed at the next request."""
        try:
            self._count(key, count)
        except (psycopg.Error, *Unavailable) as failed:
            complain(f"figures could not be counted: {type(failed).__name__}")
        finally:
            with self._guard:
                self._counting.discard(key)
