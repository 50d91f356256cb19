"""Whether another session would block the migrations' locks."""

from collections.abc import Iterator

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.adapters.postgres.blockers import open_transactions
from cartctl.checks.database.database_check import DatabaseCheck, run_database_checks
from cartctl.checks.database.locks_held import describe_blockers, migration_locks
from cartctl.checks.results import passed, warned
from cartctl.config.model.environment import Database
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse

LONG = 300.0  # seconds after which a transaction is worth a warning

_MAY_SEE = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"


def check_blockers(postgres: Postgres, settings: Database, pulse: Pulse) -> Iterator[CheckResult]:
    """Locks on the platform's tables held longer than the migrations would wait, and old transactions. Read-only."""
    questions = (
        DatabaseCheck("blockers.locks", migration_locks(pulse)),
        DatabaseCheck("blockers.transactions", _transactions),
    )
    yield from run_database_checks(postgres, settings, questions, pulse)


def _transactions(connection: Connection, _: Database) -> Iterator[CheckResult]:
    name, expected = "blockers.transactions", f"none older than {LONG:g} s"
    old = [
        each for each in open_transactions(connection, idle=True) if each.age is not None and each.age > LONG
    ]
    if old:
        yield warned(
            name,
            describe_blockers(old[:5]),
            expected,
            "Wait for them to end: they may take a lock at any time.",
        )
    elif connection.execute(_MAY_SEE).fetchone() != (True,):
        hint = "GRANT pg_read_all_stats to the deployer."
        yield warned(name, "those of other roles are not visible", expected, hint)
    else:
        yield passed(name, "none", expected)
