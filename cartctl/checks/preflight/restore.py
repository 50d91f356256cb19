"""Whether the rows that a deployment is to restore are there and whole, and the tables take them."""

from collections.abc import Iterator
from dataclasses import dataclass

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.checks.database.database_check import DatabaseCheck, run_database_checks
from cartctl.checks.isolation import isolated
from cartctl.checks.results import failed, not_configured, passed
from cartctl.config.model.environment import Database
from cartctl.database.drop.restore_rows import OpenRowSource, find_restored_rows, full_tables, refuse_damaged
from cartctl.database.migrations.status import act_as_owner_if_allowed
from cartctl.engine.model import CheckResult
from cartctl.engine.pulse import Pulse


@dataclass(frozen=True, slots=True)
class Restoring:
    """What `--restore-carts` names: how a restore records it, and how to open it."""

    name: str
    source: OpenRowSource


def check_restore(
    postgres: Postgres, settings: Database, restoring: Restoring | None, pulse: Pulse
) -> Iterator[CheckResult]:
    """The tables are empty, or hold what an earlier attempt restored from the same rows. Read-only."""
    if restoring is None:
        yield not_configured("restore", "--restore-carts is not used")
        return
    if done := find_restored_rows(postgres, settings, "", restoring.name):
        yield passed("restore", f"restored already: {sum(done.rows.values())} rows of {done.source}")
        return
    yield from run_database_checks(postgres, settings, (DatabaseCheck("restore.tables", _tables),), pulse)
    yield from isolated("restore.rows", lambda: _rows(restoring), pulse)


def _tables(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    with act_as_owner_if_allowed(connection, settings):
        full = full_tables(connection)
    name, expected = "restore.tables", "tables without rows"
    if full:
        hint = "Deploy without --restore-carts; to replace the rows: cartctl snapshot restore ID --cart-only --allow-data-loss"
        yield failed(name, f"rows in {', '.join(full)}", expected, hint)
    else:
        yield passed(name, expected)


def _rows(restoring: Restoring) -> Iterator[CheckResult]:
    with restoring.source() as saved:
        refuse_damaged(saved)
        yield passed("restore.rows", f"{sum(saved.rows.values())} rows of {saved.name}, intact")
