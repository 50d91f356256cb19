"""Whether the migrations can run on the database."""

import os
from collections.abc import Iterator

from cartctl.adapters.postgres import Postgres
from cartctl.checks.database.check_lists import MIGRATING, migration_database_checks
from cartctl.checks.database.database_check import run_with_connection_check
from cartctl.config.model.environment import Database
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse
from cartctl.snapshots.create import jobs_for

WATCHING = 2  # connections of the monitor and of a check that reads beside it


def check_database(
    postgres: Postgres, settings: Database, pulse: Pulse | None = None
) -> Iterator[CheckResult]:
    """Everything that a read can find, each question by itself. Read-only."""
    dumps = not settings.snapshots.elsewhere

    def needed(size: int) -> int:
        """Connections that a deployment of a database of `size` bytes opens; the dump's leader has one of its own."""
        jobs = jobs_for(size, os.cpu_count() or 1) + 1 if dumps else 0
        return MIGRATING + WATCHING + jobs

    questions = migration_database_checks(needed=needed, dump=dumps)
    yield from run_with_connection_check(postgres, settings, questions, pulse or Pulse())
