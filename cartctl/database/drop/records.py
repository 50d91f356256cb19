"""Which migrations a run made, by its own record and Prisma's: these records are removed with their objects. Read-only."""

from collections.abc import Iterator, Mapping
from typing import Any

from cartctl.adapters.postgres import Connection
from cartctl.database.catalogue import Difference
from cartctl.database.drop.attribution import recorded_identifiers
from cartctl.database.migrations.ledger import LedgerRow, read_ledger
from cartctl.migrations.frozen import MIGRATIONS

_RECORDS = "SELECT revision, at, run FROM cartctl.applied"


def executed_migrations(connection: Connection, results: Mapping[str, Any]) -> frozenset[str]:
    """Migrations whose files of the application the run executed: an application may name all objects otherwise.

    Empty where cartctl's own SQL ran. An interrupted run's are those whose rows in both records have one time.
    """
    if not recorded_identifiers(results):
        return frozenset()
    migrated = results.get("migrate") or {}
    by_journal = {*migrated.get("applied", ())} - {*migrated.get("adopted", ())}
    run, times = results["fingerprint"].get("run"), _recorded(connection)
    rows = read_ledger(connection).ours()
    by_record = {
        each.name
        for each in MIGRATIONS
        for row in rows
        if row.name == each.name and times.get(each.revision, ()) == (row.finished_at, run)
    }
    return frozenset(by_journal | by_record)


def made_migrations(own: Difference, executed: frozenset[str]) -> tuple[str, ...]:
    """The migrations that the run made: it executed the file, or some object did not exist before. Pure."""
    added = _added(own)
    return tuple(
        each.name
        for each in MIGRATIONS
        if each.name in executed
        or any(statement.makes in added for statement in each.statements(strict=True))
    )


def ledger_rows(
    connection: Connection, own: Difference, migrations: tuple[str, ...], executed: frozenset[str]
) -> Iterator[LedgerRow]:
    """Prisma's rows of migrations that are dropped completely; where another tool had begun, only a row that cartctl added."""
    added, times = _added(own), _recorded(connection)
    for migration in (each for each in MIGRATIONS if each.name in migrations):
        whole = migration.name in executed or all(
            statement.makes in added for statement in migration.statements(strict=False)
        )
        for row in read_ledger(connection).ours():
            at = times.get(migration.revision, (False, ""))[0]
            if row.name == migration.name and (whole or row.finished_at == at):
                yield row


def _recorded(connection: Connection) -> dict[str, tuple[Any, ...]]:
    """Time and run of each record of cartctl's, by revision."""
    exists = connection.execute("SELECT to_regclass('cartctl.applied') IS NOT NULL").fetchone() == (True,)
    rows = connection.execute(_RECORDS).fetchall() if exists else []
    return {str(revision): (at, run) for revision, at, run in rows}


def _added(own: Difference) -> set[str]:
    return {key.replace('"', "").rpartition(".")[2] for key in own.added}
