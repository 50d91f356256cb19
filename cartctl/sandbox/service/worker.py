"""The background processor: processes pending orders in batches and runs the carts' jobs.

Several workers run in parallel; each stops between two batches.
"""

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg_pool import PoolTimeout

from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.log import complain, log

EVERY = 1.0  # seconds
BATCH = """
UPDATE orders SET status = 'PROCESSED', "processedAt" = CURRENT_TIMESTAMP
WHERE id IN (SELECT id FROM orders WHERE status = 'PENDING' ORDER BY "createdAt", id LIMIT 20 FOR UPDATE SKIP LOCKED)
"""


class Worker:
    """One thread that works until it is stopped, and finishes its batch."""

    def __init__(self, data: Data, flags: Path | None = None, clock: Path | None = None) -> None:
        """`flags` and `clock` are watched files; without `flags` there are no carts."""
        self._data = data
        self._flags, self._clock = flags, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="worker")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the present batch."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        carts, every = self._carts()
        due = time.monotonic() + every
        while not self._stopping.is_set():
            self._attempt("orders", self._orders)
            if time.monotonic() >= due:
                self._attempt("carts", carts)
                due = time.monotonic() + every
            self._stopping.wait(EVERY)

    def _carts(self) -> tuple[Callable[[], None], float]:
        """The carts' jobs and how often they run, in seconds; nothing for a version without carts."""
        if self._flags is None:
            return (lambda: None), math.inf
        from cartctl.sandbox.service import cart_work
        from cartctl.sandbox.service.clock import Clock
        from cartctl.sandbox.service.flags import Flags

        clock = Clock(self._clock or self._flags.with_name("CLOCK"), complain)
        flags = Flags(self._flags, complain)
        return cart_work.CartWork(self._data, flags, self._stopping.is_set, clock=clock.now), cart_work.EVERY

    @staticmethod
    def _attempt(what: str, work: Callable[[], None]) -> None:
        try:
            work()
        except (psycopg.Error, PoolTimeout) as error:
            log("WARNING", f"{what} wait", error=type(error).__name__)

    def _orders(self) -> None:
        with self._data.transaction() as connection:
            done = connection.execute(BATCH).rowcount
        if done:
            log("INFO", "orders processed", count=done)
