"""The cart's jobs, batch after batch, each in a transaction of its own, until nothing is due or the limit is reached.

When a job is killed, what was committed stays and the next run continues with the rest. It skips the rows that other
workers have locked.

What a crash of the server may lose without harm, because the next run does it again, is committed without waiting for the
disk (synchronous_commit = off): batches can be so small that shoppers wait for none. When a run ends, all is on disk.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from sqlalchemy import Connection, func, select, text

from cartctl.cart.store import jobs
from cartctl.cart.store.jobs import RecoveryClaim
from cartctl.cart.store.pace import Pace
from cartctl.cart.store.sql_engine import Statement


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Which companies' carts a job considers (None: all), as of when (UTC), and how many at most, in all and per batch.

    Batches that can be repeated are smaller where so many rows would be locked for longer than `pace.HOLD`.
    """

    now: datetime
    companies: Sequence[str] | None = None
    limit: int | None = None
    batch_size: int = jobs.BATCH


@dataclass(frozen=True, slots=True)
class CartJob:
    """The result of a cart job: rows by outcome, processed (`applied`) or only due."""

    kind: ClassVar[str] = "cart_job"

    job: str
    applied: bool
    counts: dict[str, int]
    now: datetime
    companies: tuple[str, ...] | None
    batches: int
    seconds: float


@dataclass(frozen=True, slots=True)
class JobTask:
    """One part of a job: the statement of what is due, one batch of it, and what follows each batch's commit.

    `repeatable`: nobody acts on a batch outside the database, so that it may be lost in a crash and done again. A claim is
    not: its mail would be sent twice.
    """

    outcome: str
    due: Callable[..., Statement]
    batch: Callable[..., int]
    committed: Callable[[], None] = lambda: None
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class JobHooks:
    """What a caller does around the batches: `around` (by outcome) encloses each transaction, `after` follows each commit.

    `after` is given the number of rows done so far and the outcome; it may raise to stop between two batches.
    """

    around: Callable[[str], AbstractContextManager[None]] = lambda _outcome: nullcontext()
    after: Callable[[int, str], None] = lambda _done, _outcome: None


_NO_WAIT = text("SET LOCAL synchronous_commit = off")
_RECORD = text(
    "SELECT pg_logical_emit_message(true, 'cartctl', '')"
)  # without a record a commit does not wait


def _due_carts(now: datetime, companies: Sequence[str] | None) -> Statement:
    active: Any = jobs.due_to_expire(jobs.DUE, now, companies)
    due: Statement = active.union_all(jobs.due_to_expire(jobs.LEFT, now, companies))
    return due


def expiry(abandon_after: timedelta) -> tuple[JobTask, ...]:
    """The job that expires carts, and then abandons those without activity for `abandon_after` (D1)."""
    due = partial(jobs.due_to_abandon, after=abandon_after)
    abandon = partial(jobs.abandon_carts, after=abandon_after, position=jobs.Position())
    return (
        JobTask("expired", _due_carts, jobs.expire_carts, repeatable=True),
        JobTask("abandoned", due, abandon, repeatable=True),
    )


CLEANUP = (JobTask("sessions_expired", jobs.due_sessions, jobs.expire_sessions, repeatable=True),)


def recovery(
    publish: Callable[[RecoveryClaim], None], *, unsubscribed_sql: str | None = None
) -> tuple[JobTask, ...]:
    """The job that claims carts for a recovery mail; `publish` is given each claim as soon as it is committed.

    `unsubscribed_sql` is a SELECT of the ids of customers who do not want such mails.
    """
    claims: list[RecoveryClaim] = []
    position = jobs.Position()
    due = partial(jobs.candidates, unsubscribed_sql=unsubscribed_sql)

    def claim(connection: Connection, now: datetime, **options: Any) -> int:
        options |= {"unsubscribed_sql": unsubscribed_sql, "position": position}
        claims[:] = jobs.claim_recovery(connection, now, **options)
        return len(claims)

    def publish_all() -> None:
        for each in claims:
            publish(each)

    return (JobTask("claimed", due, claim, publish_all),)


def preview_job(connection: Connection, job: str, tasks: tuple[JobTask, ...], options: JobOptions) -> CartJob:
    """Count what a job would do. Read-only."""
    began = time.monotonic()
    counts = {task.outcome: _count(connection, task.due(options.now, options.companies)) for task in tasks}
    return _result(job, options, counts, 0, began, applied=False)


def run_job(
    connection: Connection,
    job: str,
    tasks: tuple[JobTask, ...],
    options: JobOptions,
    hooks: JobHooks | None = None,
) -> CartJob:
    """Run a job on a connection without an open transaction, batch by batch. Raises what the hooks and the driver raise."""
    hooks = hooks or JobHooks()
    began, counts, batches = time.monotonic(), {task.outcome: 0 for task in tasks}, 0
    for task in tasks:
        pace = Pace(options.batch_size)
        while done := _batch(connection, task, options, sum(counts.values()), hooks, pace):
            counts[task.outcome] += done
            batches += 1
            hooks.after(sum(counts.values()), task.outcome)
    if any(counts[task.outcome] for task in tasks if task.repeatable):
        _write_to_disk(connection)
    return _result(job, options, counts, batches, began, applied=True)


def _batch(
    connection: Connection, task: JobTask, options: JobOptions, done: int, hooks: JobHooks, pace: Pace
) -> int:
    size = pace.size if task.repeatable else options.batch_size
    size = size if options.limit is None else min(size, options.limit - done)
    if size <= 0:
        return 0
    began = time.monotonic()
    with hooks.around(task.outcome), connection.begin():
        if task.repeatable:
            connection.execute(_NO_WAIT)
        changed = task.batch(connection, options.now, size=size, companies=options.companies)
    pace.measured(changed, time.monotonic() - began)
    task.committed()
    return changed


def _write_to_disk(connection: Connection) -> None:
    """One commit that waits, as the server's settings say: it waits for all before it."""
    with connection.begin():
        connection.execute(_RECORD)


def _count(connection: Connection, due: Statement) -> int:
    return connection.scalar(select(func.count()).select_from(due.subquery())) or 0


def _result(
    job: str, options: JobOptions, counts: dict[str, int], batches: int, began: float, *, applied: bool
) -> CartJob:
    return CartJob(
        job=job,
        applied=applied,
        counts=counts,
        now=options.now,
        companies=None if options.companies is None else tuple(options.companies),
        batches=batches,
        seconds=round(time.monotonic() - began, 3),
    )
