"""Runs of many batches: how large they are, and what a crash of the server may take from them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cartctl.cart.store import jobs
from cartctl.cart.store.batches import CLEANUP, JobHooks, JobOptions, JobTask, expiry, recovery, run_job
from cartctl.cart.store.pace import FIRST, HOLD, LEAST, Pace
from cartctl.cart.store.sql_engine import Connection
from tests.cart.store.shop import HOUR, NOW, Shop

EXPIRY = expiry(HOUR)


def test_a_batch_is_as_large_as_fits_the_time_that_its_rows_may_be_locked() -> None:
    """Twice or half of the last one at most, within its limits; a batch without rows changes nothing."""
    pace = Pace(500)
    sizes = []
    for rows, seconds in (
        (50, HOLD / 10),
        (100, HOLD / 2),
        (200, HOLD),
        (200, 20 * HOLD),
        (0, 9.0),
        (100, HOLD * 0.8),
    ):
        pace.measured(rows, seconds)
        sizes.append(pace.size)
    assert sizes == [100, 200, 200, 100, 100, 125]
    for _ in range(9):
        pace.measured(pace.size, 0.0)
    assert pace.size == 500
    for _ in range(9):
        pace.measured(pace.size, 9.0)
    assert pace.size == LEAST
    assert Pace(3).size == 3 < FIRST


def due(shop: Shop) -> None:
    """Something for each job."""
    for _ in range(3):
        shop.cart(expiresAt=NOW - HOUR)
        shop.cart(lastActivityAt=NOW - 2 * HOUR)
    shop.abandoned(5)
    shop.insert(
        "cross_site_sessions",
        id="s",
        companyId="shop",
        sessionToken="s",
        expiresAt=(NOW - HOUR).replace(tzinfo=None),
        updatedAt=NOW.replace(tzinfo=None),
    )


@pytest.mark.parametrize(
    ("tasks", "setting"),
    (
        (EXPIRY, "off"),
        (CLEANUP, "off"),
        (recovery(lambda _: None), "on"),
    ),
    ids=("expire", "cleanup", "recovery"),
)
def test_only_what_can_be_repeated_does_not_wait_for_the_disk(
    shop: Shop, tasks: tuple[JobTask, ...], setting: str
) -> None:
    """A claim is on disk before its mail is sent. The rest is when the run ends, and the session's setting is what it was."""
    due(shop)
    seen: list[str] = []
    written: list[Any] = []

    def noting(batch: Callable[..., int]) -> Callable[..., int]:
        def run(connection: Connection, *given: Any, **options: Any) -> int:
            seen.append(shown(connection))
            return batch(connection, *given, **options)

        return run

    with shop.engine.connect() as connection:

        def after(_done: int, _outcome: str) -> None:
            with connection.begin():
                written.append(connection.scalar(text("SELECT pg_current_wal_insert_lsn()")))

        watched = tuple(
            JobTask(task.outcome, task.due, noting(task.batch), repeatable=task.repeatable) for task in tasks
        )
        run_job(connection, "job", watched, JobOptions(NOW), JobHooks(after=after))
        flushed = connection.scalar(
            text("SELECT pg_current_wal_flush_lsn() >= CAST(:last AS pg_lsn)"), {"last": written[-1]}
        )
        assert set(seen) == {setting}
        assert flushed
        assert shown(connection) == "on"


def shown(connection: Connection) -> str:
    """The setting in force."""
    return str(connection.scalar(text("SHOW synchronous_commit")))


def test_a_run_of_small_batches_does_all_of_it(shop: Shop) -> None:
    """However many batches it takes, and no more rows than the limit says."""
    shop.run(
        """INSERT INTO carts (id, "companyId", "itemCount", "lastActivityAt", "expiresAt", "updatedAt")
           SELECT 'idle-' || n, 'shop', n % 4, timestamp '2026-01-01', timestamp '2026-04-01' + n * interval '1 second', now()
           FROM generate_series(1, 1200) AS n"""
    )
    with shop.engine.connect() as connection:
        some = run_job(connection, "expire", expiry(HOUR), JobOptions(NOW, limit=130))
        rest = run_job(connection, "expire", expiry(timedelta(hours=2)), JobOptions(NOW))
    assert (some.counts["abandoned"], rest.counts["abandoned"]) == (130, 770)
    assert rest.batches >= 770 / jobs.BATCH
