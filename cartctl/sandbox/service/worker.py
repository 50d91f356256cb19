"""The background processor: takes pending orders in batches, beside other workers, and ends between two batches."""

import threading

import psycopg
from psycopg_pool import PoolTimeout

from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.log import log

EVERY = 1.0  # seconds
BATCH = """
UPDATE orders SET status = 'PROCESSED', "processedAt" = CURRENT_TIMESTAMP
WHERE id IN (SELECT id FROM orders WHERE status = 'PENDING' ORDER BY "createdAt", id LIMIT 20 FOR UPDATE SKIP LOCKED)
"""


class Worker:
    """One thread that works until it is told to stop, and finishes the batch it is in."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._told = threading.Event()
        self._thread = threading.Thread(target=self._work, name="worker")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the present batch."""
        self._told.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._told.is_set():
            try:
                with self._data.transaction() as connection:
                    done = connection.execute(BATCH).rowcount
                if done:
                    log("INFO", "orders processed", count=done)
            except (psycopg.Error, PoolTimeout) as error:
                log("WARNING", "orders wait", error=type(error).__name__)
            self._told.wait(EVERY)
