"""The carts' background jobs, as the job-worker runs them: expiry, abandonment, recovery mails, sessions.

Parallel workers share the work, since each batch skips rows that others have locked.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import psycopg

from cartctl.cart.store import jobs
from cartctl.rollout.flag_names import RECOVERY
from cartctl.sandbox.service.data import Data
from cartctl.sandbox.service.flags import Flags
from cartctl.sandbox.service.log import log
from cartctl.sandbox.service.routes.recovery import mail

EVERY = 60.0  # seconds
JOBS: dict[str, Callable[[], Callable[..., int]]] = {
    "expire": lambda: jobs.expire_carts,
    "abandon": lambda: partial(jobs.abandon_carts, position=jobs.Position()),
    "cleanup": lambda: jobs.expire_sessions,
}  # made anew for each round


class CartWork:
    """One round of all jobs, batch by batch; recovery only for companies that have the feature."""

    def __init__(
        self,
        data: Data,
        flags: Flags,
        stopping: Callable[[], bool] = lambda: False,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._data, self._flags, self._stopping, self._clock = data, flags, stopping, clock

    def __call__(self) -> None:
        """Run the jobs that are due, until nothing is left or the worker must stop. Without the cart's tables, do nothing."""
        now = self._clock()
        try:
            for name, job in JOBS.items():
                self._until_done(name, partial(self._batch, job(), now))
            with self._data.session() as connection:
                waiting = jobs.waiting_companies(connection, now)
            self._until_done("recovery", partial(self._recover, now, waiting, jobs.Position()))
        except psycopg.errors.UndefinedTable:
            return  # before the migration, or after it was rolled back

    def _until_done(self, name: str, batch: Callable[[], int]) -> None:
        total = 0
        while not self._stopping() and (done := batch()):
            total += done
        if total:
            log("INFO", "cart job", job=name, count=total)

    def _batch(self, job: Callable[..., int], now: datetime) -> int:
        with self._data.session() as connection:
            return job(connection, now)

    def _recover(self, now: datetime, waiting: list[str], position: jobs.Position) -> int:
        """Send one batch of mails for the companies that have the feature now."""
        served = [company for company in waiting if self._flags.on(RECOVERY, company)]
        if not served:
            return 0
        with self._data.session() as connection:
            claims = jobs.claim_recovery(connection, now, companies=served, position=position)
        for claim in claims:  # committed: whatever happens now, none of them is sent twice
            mail(claim)
        return len(claims)
