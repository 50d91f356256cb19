"""Whether anybody holds what the migrations' locks would have to wait for."""

from collections.abc import Iterable, Iterator

from cartctl.adapters.blockers import (
    SHARE_ROW_EXCLUSIVE,
    Blocker,
    endings,
    lock_holders,
    open_transactions,
)
from cartctl.adapters.postgres import Connection, Postgres
from cartctl.checks.preflight.database import PLATFORM, QUERY_LIMIT
from cartctl.checks.preflight.look import failed, passed, unknown, warned
from cartctl.config.model import Database
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse

LONG = 300.0  # seconds after which a transaction is worth a warning
AGAIN = 0.3  # seconds between two readings of a transaction whose age is hidden from us

_MAY_SEE = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"


def look_at_blockers(postgres: Postgres, settings: Database, pulse: Pulse) -> Iterator[CheckResult]:
    """Locks on the platform's tables held longer than the migrations would wait, and old transactions. Read-only."""
    limit = settings.lock_timeout.total_seconds()
    with postgres.session("preflight", statement_timeout=QUERY_LIMIT) as connection:
        yield _locks(connection, limit, pulse)
        yield _transactions(connection)


def _locks(connection: Connection, limit: float, pulse: Pulse) -> CheckResult:
    """An ordinary autovacuum gives way to a lock that waits; one that prevents a wraparound does not."""
    name, expected = "blockers.locks", f"none held for more than {limit:g} s"
    holders = _holders(connection)
    hidden = {each.key for each in holders if each.age is None}
    if hidden:  # without pg_read_all_stats: who still holds the lock later is no short transaction
        pulse.pause(AGAIN)
        holders = _holders(connection)
    if blocking := [each for each in holders if each.age is not None and each.age > limit]:
        return failed(name, _told(blocking), expected, endings(blocking, ""))
    if still := [each for each in holders if each.age is None and each.key in hidden]:
        hint = "GRANT pg_read_all_stats to the deployer, so that ages can be seen."
        return unknown(name, _told(still), expected, hint)
    return passed(name, "none", expected)


def _transactions(connection: Connection) -> CheckResult:
    name, expected = "blockers.transactions", f"none older than {LONG:g} s"
    old = [
        each for each in open_transactions(connection, idle=True) if each.age is not None and each.age > LONG
    ]
    if old:
        return warned(name, _told(old[:5]), expected, "Let them end first: they may take a lock at any time.")
    if connection.execute(_MAY_SEE).fetchone() != (True,):
        hint = "GRANT pg_read_all_stats to the deployer."
        return warned(name, "those of other roles cannot be seen", expected, hint)
    return passed(name, "none", expected)


def _holders(connection: Connection) -> list[Blocker]:
    return [each for each in lock_holders(connection, PLATFORM, SHARE_ROW_EXCLUSIVE) if not each.gives_way]


def _told(blockers: Iterable[Blocker]) -> str:
    return "; ".join(
        f"{each}" + ("" if each.age is None else f", transaction open for {each.age:.0f} s")
        for each in blockers
    )
