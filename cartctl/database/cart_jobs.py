"""The cart's jobs run by hand: batch after batch, each committed by itself, until nothing is left or enough is done.

Killed anywhere, what was committed stays and the next run goes on with the rest. Beside other workers it only takes
what they leave.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import sqlalchemy
from sqlalchemy import func, select

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, translated
from cartctl.domain.analytics import Period
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.schema import figures, jobs
from cartctl.schema.engine import Statement, over
from cartctl.schema.jobs import Claim


@dataclass(frozen=True, slots=True)
class Asked:
    """Which carts a job looks at, as of when, and how many of them it takes in all and at once."""

    now: datetime
    companies: Sequence[str] | None = None
    limit: int | None = None
    batch_size: int = jobs.BATCH


@dataclass(frozen=True, slots=True)
class CartJob:
    """What a job did, or would do when it was only shown: how many by what becomes of them."""

    kind: ClassVar[str] = "cart_job"

    job: str
    applied: bool
    counts: dict[str, int]
    now: datetime
    companies: tuple[str, ...] | None
    batches: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Part:
    """One thing a job does: what is due for it, and one batch of it."""

    outcome: str
    due: Callable[..., Statement]
    batch: Callable[..., int]


def _due_carts(now: datetime, companies: Sequence[str] | None) -> Statement:
    due: Any = jobs.due_to_expire(jobs.DUE, now, companies)
    found: Statement = due.union_all(jobs.due_to_expire(jobs.LEFT, now, companies))
    return found


def expiry(abandon_after: timedelta) -> tuple[Part, ...]:
    """The job that expires carts, and then marks those abandoned that were left alone for `abandon_after` (D1)."""
    left_alone = partial(jobs.due_to_abandon, after=abandon_after)
    abandon = partial(jobs.abandon_carts, after=abandon_after)
    return (Part("expired", _due_carts, jobs.expire_carts), Part("abandoned", left_alone, abandon))


CLEANUP = (Part("sessions_expired", jobs.due_sessions, jobs.expire_sessions),)


def recovery(tell: Callable[[Claim], None]) -> tuple[Part, ...]:
    """The job that claims carts for a recovery mail; `tell` is given each claim as soon as it is committed."""
    return (Part("claimed", jobs.candidates, _Claiming(tell)),)


class _Claiming:
    """A batch of claims, and who is told of them after the commit."""

    def __init__(self, tell: Callable[[Claim], None]) -> None:
        self._tell = tell
        self._claims: list[Claim] = []

    def __call__(self, connection: sqlalchemy.Connection, now: datetime, **given: Any) -> int:
        """Claim one batch."""
        self._claims = jobs.claim_recovery(connection, now, **given)
        return len(self._claims)

    def committed(self) -> None:
        """The batch is written."""
        for claim in self._claims:
            self._tell(claim)


def preview(postgres: Postgres, job: str, parts: tuple[Part, ...], asked: Asked, pulse: Pulse) -> CartJob:
    """Count what a job would do. Read-only. Raises SqlFailed."""
    began = time.monotonic()
    with _connected(postgres, job, pulse) as connection:
        counts = {part.outcome: _count(connection, part.due(asked.now, asked.companies)) for part in parts}
    return _result(job, asked, counts, 0, began, applied=False)


def run(postgres: Postgres, job: str, parts: tuple[Part, ...], asked: Asked, pulse: Pulse) -> CartJob:
    """Do a job, batch by batch. Raises SqlFailed, or the pulse's alarm between two batches."""
    began, counts, batches = time.monotonic(), {part.outcome: 0 for part in parts}, 0
    with _connected(postgres, job, pulse) as connection:
        for part in parts:
            while done := _batch(connection, part, asked, sum(counts.values())):
                counts[part.outcome] += done
                batches += 1
                pulse.progress(sum(counts.values()), asked.limit or 0, part.outcome)
                pulse.check()
    return _result(job, asked, counts, batches, began, applied=True)


def figures_of(postgres: Postgres, company: str, period: Period, pulse: Pulse) -> figures.Report:
    """What a company's carts add up to. Read-only. Raises NotFound and SqlFailed."""
    with _connected(postgres, "stats", pulse) as connection:
        return figures.report(connection, company, period)


def _batch(connection: sqlalchemy.Connection, part: Part, asked: Asked, done: int) -> int:
    left = asked.batch_size if asked.limit is None else min(asked.batch_size, asked.limit - done)
    if left <= 0:
        return 0
    with effect(f"postgres.carts.{part.outcome}"), connection.begin():
        found = part.batch(connection, asked.now, size=left, companies=asked.companies)
    if isinstance(part.batch, _Claiming):
        part.batch.committed()
    return found


def _count(connection: sqlalchemy.Connection, due: Statement) -> int:
    return connection.scalar(select(func.count()).select_from(due.subquery())) or 0


@contextmanager
def _connected(postgres: Postgres, job: str, pulse: Pulse) -> Iterator[sqlalchemy.Connection]:
    """One connection for a whole job, which an alarm cancels."""
    engine = over(lambda: postgres.connect(f"cart {job}", autocommit=False))
    with translated(), engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        found: Connection = driver
        with pulse.cancelling(found.cancel_safe):
            _refuse_without_tables(connection)
            yield connection
    engine.dispose()


def _refuse_without_tables(connection: sqlalchemy.Connection) -> None:
    with connection.begin():
        if connection.scalar(select(func.to_regclass("carts"))) is None:
            raise Refused("The cart's tables are not there.", hint="Make them with: cartctl migrate deploy")


def _result(
    job: str, asked: Asked, counts: dict[str, int], batches: int, began: float, *, applied: bool
) -> CartJob:
    return CartJob(
        job=job,
        applied=applied,
        counts=counts,
        now=asked.now,
        companies=None if asked.companies is None else tuple(asked.companies),
        batches=batches,
        seconds=round(time.monotonic() - began, 3),
    )
