"""Runs the cart library's jobs and statistics on the configured database, cancelled by an alarm of the pulse."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import sqlalchemy
from sqlalchemy import func, select

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, translated
from cartctl.adapters.postgres.sync_wait import bounded_sync_wait
from cartctl.cart.analytics import Period
from cartctl.cart.store import cart_statistics
from cartctl.cart.store.batches import CartJob, JobHooks, JobOptions, JobTask, preview_job, run_job
from cartctl.cart.store.sql_engine import over
from cartctl.engine.pulse import Pulse
from cartctl.engine.signals import unstoppable
from cartctl.errors import Refused


def preview(
    postgres: Postgres, job: str, tasks: tuple[JobTask, ...], options: JobOptions, pulse: Pulse
) -> CartJob:
    """Count what a job would do. Read-only. Raises SqlFailed."""
    with _connected(postgres, job, pulse) as connection:
        return preview_job(connection, job, tasks, options)


def run(
    postgres: Postgres, job: str, tasks: tuple[JobTask, ...], options: JobOptions, pulse: Pulse
) -> CartJob:
    """Run a job, batch by batch. Raises SqlFailed, or the pulse's alarm between two batches.

    A committed batch is always published; a second Ctrl-C takes effect after that.
    """
    batch = ExitStack()

    def around(outcome: str) -> AbstractContextManager[None]:
        batch.enter_context(unstoppable())
        return effect(f"postgres.carts.{outcome}")

    def after(done: int, outcome: str) -> None:
        batch.close()
        pulse.progress(done, options.limit or 0, outcome)
        pulse.check()

    with batch, _connected(postgres, job, pulse) as connection:
        return run_job(connection, job, tasks, options, JobHooks(around, after))


def company_stats(
    postgres: Postgres, company: str, period: Period, pulse: Pulse
) -> cart_statistics.StatsReport:
    """The statistics of a company's carts. Read-only. Raises NotFound and SqlFailed."""
    with _connected(postgres, "stats", pulse) as connection:
        return cart_statistics.report(connection, company, period)


@contextmanager
def _connected(postgres: Postgres, job: str, pulse: Pulse) -> Iterator[sqlalchemy.Connection]:
    """One connection for a whole job, which an alarm cancels."""
    engine = over(lambda: postgres.connect(f"cart {job}", autocommit=False))
    with translated(), engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        session: Connection = driver
        watch_session = partial(postgres.session, "sync wait")
        with bounded_sync_wait(watch_session, session), pulse.cancelling(session.cancel_safe):
            _refuse_without_tables(connection)
            yield connection
    engine.dispose()


def _refuse_without_tables(connection: sqlalchemy.Connection) -> None:
    with connection.begin():
        if connection.scalar(select(func.to_regclass("carts"))) is None:
            raise Refused("The cart's tables do not exist.", hint="Create them with: cartctl migrate deploy")
