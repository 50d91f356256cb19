"""Who holds the tables that a migration or a drop locks, for longer than it would wait."""

from collections.abc import Iterable, Iterator

from cartctl.adapters.postgres import Connection
from cartctl.adapters.postgres.blockers import (
    ACCESS_EXCLUSIVE,
    SHARE_ROW_EXCLUSIVE,
    Blocker,
    endings,
    lock_holders,
)
from cartctl.checks.database.database_check import Ask
from cartctl.checks.results import failed, passed, unknown
from cartctl.config.model.environment import Database
from cartctl.database.migrations.guards import PLATFORM
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse

NAME = "blockers.locks"
AGAIN = 0.3  # seconds between two readings of a transaction whose age is hidden from us


def migration_locks(pulse: Pulse) -> Ask:
    """Locks on the platform's tables that a new foreign key would wait for."""
    return lambda connection, settings: _held(connection, PLATFORM, SHARE_ROW_EXCLUSIVE, settings, pulse)


def drop_locks(tables: Iterable[str], pulse: Pulse) -> Ask:
    """Locks on the tables that go, and on those that they refer to, which the drop would wait for."""
    names = (*PLATFORM, *tables)
    return lambda connection, settings: _held(connection, names, ACCESS_EXCLUSIVE, settings, pulse)


def _held(
    connection: Connection, tables: tuple[str, ...], modes: tuple[str, ...], settings: Database, pulse: Pulse
) -> Iterator[CheckResult]:
    limit = settings.lock_timeout.total_seconds()
    expected = f"none held for more than {limit:g} s"
    holders = _holders(connection, tables, modes)
    hidden = {each.key for each in holders if each.age is None}
    if hidden:  # without pg_read_all_stats: who still holds the lock later is no short transaction
        pulse.pause(AGAIN)
        holders = _holders(connection, tables, modes)
    if blocking := [each for each in holders if each.age is not None and each.age > limit]:
        yield failed(NAME, describe_blockers(blocking), expected, endings(blocking, ""))
    elif still := [each for each in holders if each.age is None and each.key in hidden]:
        hint = "GRANT pg_read_all_stats to the deployer, to make their ages visible."
        yield unknown(NAME, describe_blockers(still), expected, hint)
    else:
        yield passed(NAME, "none", expected)


def _holders(connection: Connection, tables: tuple[str, ...], modes: tuple[str, ...]) -> list[Blocker]:
    """An ordinary autovacuum gives way to a lock that waits; one that prevents a wraparound does not."""
    return [each for each in lock_holders(connection, tables, modes) if not each.gives_way]


def describe_blockers(blockers: Iterable[Blocker]) -> str:
    """Blockers with the age of their transactions, for a check's result."""
    return "; ".join(
        f"{each}" + ("" if each.age is None else f", transaction open for {each.age:.0f} s")
        for each in blockers
    )
