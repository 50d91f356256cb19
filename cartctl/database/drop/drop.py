"""Dropping the cart's tables: one transaction that locks, saves the rows, drops without CASCADE, and removes the records."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, milliseconds, sql, translated
from cartctl.adapters.postgres.blockers import ACCESS_EXCLUSIVE, endings, lock_holders, named
from cartctl.adapters.postgres.sync_wait import SyncWait, bounded_sync_wait
from cartctl.config.model.environment import Database
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.contract.existing_objects import holds_rows
from cartctl.database.drop.application.enum_rebuild import rebuild_enum
from cartctl.database.drop.consent import Allowed, require
from cartctl.database.drop.plan import plan_with
from cartctl.database.drop.plan_objects import DropPlan, EnumLabels
from cartctl.database.drop.saved_rows import SavedRows, read_saved, save_rows
from cartctl.database.drop.saved_values import count_values
from cartctl.database.migrations import ledger
from cartctl.database.migrations.guards import PLATFORM, migrating
from cartctl.database.migrations.status import become_owner, read_state
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.migrations.frozen import MIGRATIONS

LOCK_TIMEOUT = timedelta(seconds=1)  # readers queue behind an ACCESS EXCLUSIVE that waits
RETRIED = ("55P03", "40P01", "40001")
ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt, doubled after each


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was dropped. `saved` is where the rows are, None when there were none."""

    tables: tuple[str, ...]
    enums: tuple[str, ...]
    kept_enums: tuple[str, ...]
    migrations: tuple[str, ...]
    ledger_rows: int
    rows: int
    saved: str | None
    warnings: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # of other tables, `table.column`
    parts: tuple[str, ...] = ()  # indexes and constraints of other tables
    reverted: tuple[str, ...] = ()  # the migration's changes outside the cart
    labels: tuple[EnumLabels, ...] = ()  # removed from other enums
    kept_labels: tuple[EnumLabels, ...] = ()


def drop(
    postgres: Postgres,
    settings: Database,
    results: Mapping[str, Any],
    allowed: Allowed,
    directory: Path,
    pulse: Pulse,
) -> Dropped:
    """Drop what the run with `results` created; the rows are saved to `directory` first.

    Raises Refused before any change, naming the conflicts; StepFailed naming the blockers when the locks were not granted. All or
    nothing.
    """
    with migrating(postgres, settings, pulse) as aside:
        plan = plan_with(aside, results, allowed)
        require(plan, allow_data_loss=allowed.data_loss)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                saved, warnings = _attempt(postgres, settings, plan, allowed, directory, pulse)
            except SqlFailed as failed:
                if failed.sqlstate not in RETRIED:
                    raise
                if attempt == ATTEMPTS:
                    raise _blocked(plan, aside, failed) from failed
                pulse.pause(PAUSE * 2 ** (attempt - 1))
            else:
                break
    return Dropped(
        tables=tuple(table.name for table in plan.tables),
        enums=plan.enums,
        kept_enums=plan.kept_enums,
        migrations=plan.migrations,
        ledger_rows=len(plan.ledger),
        rows=sum(saved.rows.values()) if saved else 0,
        saved=str(directory) if saved else None,
        warnings=(*warnings, *(each for each in plan.warnings if each.startswith("label "))),
        columns=tuple(f"{each.table}.{each.name}" for each in plan.columns),
        parts=tuple(f"{each.kind} {each.name} of {each.table}" for each in plan.parts),
        reverted=tuple(f"{each.what}: {each.detail}" for each in (*plan.early, *plan.reverts)),
        labels=tuple(EnumLabels(each.enum, each.labels) for each in plan.labels),
        kept_labels=plan.kept_labels,
    )


def earlier_drop(plan: DropPlan, directory: Path) -> Dropped | None:
    """What an earlier attempt has dropped already, when nothing is left. Read-only."""
    if not plan.empty:
        return None
    saved = read_saved(directory)
    return Dropped(
        tables=(),
        enums=(),
        kept_enums=plan.kept_enums,
        migrations=plan.migrations,
        ledger_rows=0,
        rows=sum(saved.rows.values()) if saved else 0,
        saved=str(directory) if saved else None,
        kept_labels=plan.kept_labels,
    )


def _attempt(
    postgres: Postgres, settings: Database, plan: DropPlan, allowed: Allowed, directory: Path, pulse: Pulse
) -> tuple[SavedRows | None, tuple[str, ...]]:
    limit = milliseconds(LOCK_TIMEOUT)
    with postgres.session("drop", autocommit=False, lock_timeout=limit) as connection:
        become_owner(connection, settings)
        with pulse.cancelling(connection.cancel_safe):
            saved = _save(
                postgres.acting_as(settings.owner_role), connection, plan, allowed, directory, pulse
            )
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true)",
                (milliseconds(settings.statement_timeout),),
            )
            _drop_objects(connection, plan)
            _forget(connection, plan)
        with _committing(postgres, connection, saved, directory) as wait, effect("postgres.drop"):
            connection.commit()
    return saved, wait.warnings


@contextmanager
def _committing(
    postgres: Postgres, connection: Connection, saved: SavedRows | None, directory: Path
) -> Iterator[SyncWait]:
    """The commit is never repeated: after a lost connection, the next command reads whether it happened.

    Raises SqlFailed that says where the rows are.
    """
    try:
        with translated(), bounded_sync_wait(lambda: postgres.session("sync wait"), connection) as wait:
            yield wait
    except SqlFailed as lost:
        note = f" The rows are saved in {directory}." if saved else ""
        raise SqlFailed(
            f"The commit of the drop was not confirmed: {lost.message}.{note}",
            hint="Check whether it is in place: cartctl rollback --database --plan; then run the rollback again.",
            sqlstate=lost.sqlstate,
        ) from lost


def _save(
    postgres: Postgres,
    connection: Connection,
    plan: DropPlan,
    allowed: Allowed,
    directory: Path,
    pulse: Pulse,
) -> SavedRows | None:
    """Lock out writers, then check again: the plan counted rows before the lock."""
    names = [*(table.name for table in plan.tables), *{column.table for column in plan.columns}]
    if not names:
        return None
    tables = sql.SQL(", ").join(sql.Identifier(SCHEMA, name) for name in names)
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(tables))
    full = [table.name for table in plan.tables if holds_rows(connection, table.name)]
    full += [str(column) for column in plan.columns if count_values(connection, column)]
    if not full:
        return None
    if not allowed.data_loss:
        raise StepFailed(
            f"Rows were written to {', '.join(full)} in the meantime; nothing was dropped.",
            hint="Stop the writers, or use --allow-data-loss: the rows are saved first.",
        )
    dropped = [table.name for table in plan.tables]
    return save_rows(postgres, connection, dropped, directory, pulse, plan.columns)


def _drop_objects(connection: Connection, plan: DropPlan) -> None:
    """Drop what the run made on tables that stay, then tables (referring ones first), types, and its other changes; never CASCADE."""
    for revert in plan.early:
        connection.execute(revert.statement.encode())
    for part in plan.parts:
        name = sql.Identifier(part.name)
        if part.kind == "index":
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(SCHEMA, part.name)))
        else:
            table = sql.Identifier(SCHEMA, part.table)
            connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, name))
    for column in plan.columns:
        table, name = sql.Identifier(SCHEMA, column.table), sql.Identifier(column.name)
        connection.execute(sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(table, name))
    for table_ in plan.tables:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(SCHEMA, table_.name)))
    for enum in plan.enums:
        connection.execute(sql.SQL("DROP TYPE {}").format(sql.Identifier(SCHEMA, enum)))
    for revert in plan.reverts:
        connection.execute(revert.statement.encode())
    for labels in plan.labels:
        rebuild_enum(connection, labels)


def _forget(connection: Connection, plan: DropPlan) -> None:
    """Remove the records of what was dropped: Alembic's, cartctl's, and exactly our rows of Prisma's ledger."""
    ledger.forget(connection, plan.ledger)
    state = read_state(connection)
    if plan.home:
        connection.execute("DROP TABLE IF EXISTS cartctl.put_back")
        connection.execute("DROP TABLE IF EXISTS cartctl.applied")
        connection.execute("DROP TABLE IF EXISTS cartctl.alembic_version")
        connection.execute("DROP SCHEMA cartctl")
        return
    if not state.heads:
        return
    if connection.execute("SELECT to_regclass('cartctl.put_back') IS NOT NULL").fetchone() == (True,):
        connection.execute("DELETE FROM cartctl.put_back")  # restored rows were dropped with the tables
    dropped = [each.revision for each in MIGRATIONS if each.name in plan.migrations]
    stays = [each.revision for each in state.applied if each.revision not in dropped]
    connection.execute("DELETE FROM cartctl.applied WHERE revision = ANY (%s)", (dropped,))
    connection.execute("DELETE FROM cartctl.alembic_version")
    if stays:
        connection.execute("INSERT INTO cartctl.alembic_version (version_num) VALUES (%s)", (stays[-1],))


def _blocked(plan: DropPlan, aside: Connection, failed: SqlFailed) -> StepFailed:
    tables = sorted({*PLATFORM, *plan.altered, *(table.name for table in plan.tables)})
    blocking = lock_holders(aside, tables, ACCESS_EXCLUSIVE)
    return StepFailed(
        f"The cart's tables could not be locked, {ATTEMPTS} times ({failed.message}); nothing was dropped. "
        f"Blocked by: {named(blocking)}.",
        hint=endings(blocking, "Then run the rollback again."),
    )
