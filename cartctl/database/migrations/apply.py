"""Applying the migrations: one transaction each, bounded in time, together with everything that must stay consistent with it.

A transaction holds the DDL as the owner, the grants to the application, Alembic's version, our own record and Prisma's
ledger row: after a kill, either all of it exists or none.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, milliseconds, sql, translated
from cartctl.adapters.postgres.blockers import SHARE_ROW_EXCLUSIVE, endings, lock_holders, named
from cartctl.adapters.postgres.sync_wait import bounded_sync_wait
from cartctl.config.model.environment import Database
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.contract.existing_objects import refuse_slow
from cartctl.database.migrations import ledger
from cartctl.database.migrations.guards import PLATFORM, migrating
from cartctl.database.migrations.outside_transaction import execute_outside, runs_outside
from cartctl.database.migrations.pending import Work, prepare
from cartctl.database.migrations.status import State, become_owner, read_state
from cartctl.database.migrations.table_locks import held, locked_tables
from cartctl.database.own_schema import make_home, set_version
from cartctl.engine.prediction import TableLock, strongest
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from cartctl.migrations.frozen import Frozen

RETRIED = {
    "55P03": "timed out waiting for a lock",
    "40P01": "hit a deadlock",
    "40001": "hit a serialization failure",
}
NEW_LABEL = "55P04"  # unsafe_new_enum_value_usage
NEW_LABEL_HINT = "PostgreSQL needs a commit between a new label and its use: put the statements that use it into a later migration; Prisma's native engine requires this too."
ATTEMPTS = 4
PAUSE = 1.0  # seconds before the second attempt, doubled after each


@dataclass(frozen=True, slots=True)
class Migrated:
    """The result of applying migrations, by name, oldest first; seconds of wall time."""

    kind: ClassVar[str] = "migrated"

    applied: tuple[str, ...]
    adopted: tuple[str, ...]  # of those, recorded only: every object was there
    heads: tuple[str, ...]
    seconds: float
    warnings: tuple[str, ...] = ()
    locks: tuple[TableLock, ...] = ()  # on tables that existed before

    def over(self, state: State) -> "Migrated":
        """The same result with the heads read afterwards."""
        return replace(self, heads=state.heads)


@contextmanager
def migrator(postgres: Postgres, settings: Database) -> Iterator[Connection]:
    """The connection that migrates: acting as the owner, with the time of its statements and locks bounded."""
    with postgres.session(
        "migrate",
        search_path=SCHEMA,
        lock_timeout=milliseconds(settings.lock_timeout),
        statement_timeout=milliseconds(settings.statement_timeout),
    ) as connection:
        become_owner(connection, settings)
        yield connection


@contextmanager
def migrator_and_lock(
    postgres: Postgres, settings: Database, pulse: Pulse
) -> Iterator[tuple[Connection, Connection]]:
    """The connection of `migrator` and that of `migrating`, opened side by side."""
    with ExitStack() as stack, ThreadPoolExecutor(1, "migrator") as beside:
        connecting = beside.submit(stack.enter_context, migrator(postgres, settings))
        aside = stack.enter_context(migrating(postgres, settings, pulse))
        yield connecting.result(), aside


@dataclass(frozen=True, slots=True)
class Pending:
    """What a deployment is about to do, read under the migrators' lock; `work` is None when nothing is pending."""

    state: State
    work: Work | None
    began: float


def deploy(postgres: Postgres, settings: Database, run_id: str, pulse: Pulse) -> Migrated:
    """Apply the pending migrations; without any, nothing is changed.

    Raises Refused or Locked before any change; StepFailed naming the blockers when the locks were not granted;
    SqlFailed for what a retry cannot fix. A migration that failed leaves nothing behind.
    """
    began = time.monotonic()
    with migrator_and_lock(postgres, settings, pulse) as (connection, aside):
        pending = find_pending(aside, settings, run_id, began)
        return apply_pending(connection, pending, pulse).over(read_state(aside))


def find_pending(aside: Connection, settings: Database, run_id: str, began: float) -> Pending:
    """The pending work, read over the connection that holds the migrators' lock. Raises Refused. Read-only."""
    state = read_state(aside)
    refuse(state)
    work = prepare(aside, settings, run_id, state) if state.pending else None
    if work is not None:
        refuse_slow(work.adoption)
    return Pending(state, work, began)


def apply_pending(connection: Connection, pending: Pending, pulse: Pulse) -> Migrated:
    """Apply the pending work over a connection of `migrator`. Raises what `deploy` raises."""
    migrations = pending.state.pending
    adopted: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    locks: tuple[TableLock, ...] = ()
    if work := pending.work:
        adopted = tuple(migration.name for migration in migrations if work.adopts(migration))
        apply_all(connection, work, pending.state, migrations, pulse)
        warnings, locks = tuple(dict.fromkeys(work.warnings)), strongest(work.locks)
    return Migrated(
        applied=tuple(migration.name for migration in migrations),
        adopted=adopted,
        heads=pending.state.heads,
        seconds=round(time.monotonic() - pending.began, 3),
        warnings=warnings,
        locks=locks,
    )


def refuse(state: State) -> None:
    """Refuse what a person must resolve first: unknown heads, and failed rows of Prisma's ledger."""
    if state.unknown:
        raise Refused(
            f"A migration that this version of cartctl does not know was applied to this database: {', '.join(state.unknown)}.",
            hint="Use the version of cartctl that applied it.",
        )
    if failed := state.ledger.blocking:
        raise Refused(
            f"Prisma's ledger contains a failed migration that was not resolved: {failed[0].name}.",
            hint=f"npx prisma migrate resolve --rolled-back {failed[0].name} (or --applied)",
        )


def apply_all(
    driver: Connection, work: Work, state: State, migrations: tuple[Frozen, ...], pulse: Pulse
) -> None:
    """Apply or record these pending migrations of `state`, each in its own transaction."""
    make_home(work.aside, work.settings.owner_role, lambda: nullcontext(driver), missing=not state.schema)
    driver.autocommit = False
    for migration in migrations:
        _persist(driver, migration, work, pulse)
    driver.autocommit = True


def _persist(driver: Connection, migration: Frozen, work: Work, pulse: Pulse) -> None:
    """Apply one migration, retried where waiting may help. Raises StepFailed naming the blockers."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with translated():
                _apply(driver, migration, work, pulse)
        except SqlFailed as failed:
            if failed.sqlstate not in RETRIED:
                _note_failed(work, migration, failed)
                raise _named(migration, failed, in_place=_is_recorded(work, migration)) from failed
            if attempt == ATTEMPTS:
                raise blocked(migration, work.aside, failed, ATTEMPTS) from failed
            pulse.pause(PAUSE * 2 ** (attempt - 1))
        else:
            return


def _is_recorded(work: Work, migration: Frozen) -> bool | None:
    """Read back whether a migration was committed by this run, over the other connection; None when that is lost too."""
    query = """SELECT to_regclass('cartctl.applied') IS NOT NULL
               AND EXISTS (SELECT FROM cartctl.applied WHERE revision = %s AND run = %s)"""
    try:
        with translated():
            return work.aside.execute(query, (migration.revision, work.run)).fetchone() == (True,)
    except SqlFailed:
        return None


def _named(migration: Frozen, failed: SqlFailed, *, in_place: bool | None) -> SqlFailed:
    """The error with the migration's name. A connection that was lost may have committed: it is read back, not repeated."""
    if failed.sqlstate and not failed.sqlstate.startswith(("57P", "08")):
        return named_failure(migration, failed)
    message = f"The connection was lost during migration {migration.name}: {failed.message}."
    if in_place is not None:
        message += " It was committed." if in_place else " It was not committed."
    hint = "Check with cartctl migrate status, then deploy again."
    return SqlFailed(message, hint=hint, sqlstate=failed.sqlstate)


def named_failure(migration: Frozen, failed: SqlFailed) -> SqlFailed:
    """The error of a migration that was rolled back, with its name."""
    message = f"Migration {migration.name} failed and was rolled back: {failed.message}."
    hint = NEW_LABEL_HINT if failed.sqlstate == NEW_LABEL else failed.hint or "Fix that, then deploy again."
    return SqlFailed(message, hint=hint, sqlstate=failed.sqlstate)


def _note_failed(work: Work, migration: Frozen, failed: SqlFailed) -> None:
    """Record a failed file of the application in its ledger as Prisma would; cartctl's own leaves no row."""
    if work.application.run and work.ledger.present and failed.sqlstate:
        with effect(f"postgres.ledger.{migration.name}"):
            checksum = work.application.checksum(migration)
            ledger.record_failed(work.aside, migration.name, checksum, failed.message)


def _apply(driver: Connection, migration: Frozen, work: Work, pulse: Pulse) -> None:
    outside = runs_outside(work, migration)
    if outside:
        execute_outside(driver, migration, work, pulse)
    began = time.monotonic()
    with _transaction(driver):
        with pulse.cancelling(driver.cancel_safe):
            script = b"" if outside else work.script(migration)
            if script:
                work.execute(driver, migration, script)
            set_version(driver, migration)
            grant(driver, migration, work.settings.app_role)
            _record(driver, migration, work, ledger_row=not outside)
        # over the session that holds the migrators' lock: without it, another migrator may be running
        tables = locked_tables(work.aside, driver.info.backend_pid)
        with (
            bounded_sync_wait(lambda: nullcontext(work.aside), driver) as wait,
            effect(f"postgres.migrate.{migration.name}"),
        ):
            driver.commit()
    work.locks.extend(held(tables, time.monotonic() - began))
    work.warnings.extend(f"migration {migration.name}: {each}" for each in wait.warnings)


@contextmanager
def _transaction(driver: Connection) -> Iterator[None]:
    """The block commits; an error rolls back and is the one reported, also after a lost connection."""
    try:
        yield
    except BaseException:
        if not driver.closed:
            driver.rollback()
        raise


def grant(driver: Connection, migration: Frozen, role: str | None) -> None:
    """Grant the application's rights on tables of another owner."""
    statements = migration.statements(strict=False)
    if role is None or not statements:
        return
    grants = {
        "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}": [
            each for each in statements if each.kind == "table"
        ],
        "GRANT USAGE ON TYPE {} TO {}": [each for each in statements if each.kind == "type"],
    }
    for template, chosen in grants.items():
        names = sql.SQL(", ").join(sql.Identifier(SCHEMA, each.makes) for each in chosen)
        if chosen:
            driver.execute(sql.SQL(template).format(names, sql.Identifier(role)))


def _record(driver: Connection, migration: Frozen, work: Work, *, ledger_row: bool) -> None:
    outside = work.ledger.present and not ledger_row
    at = ledger.applied_at(driver, migration.name) if outside else None
    adopted = work.application.run or work.adopts(migration)
    driver.execute(
        """INSERT INTO cartctl.applied (revision, adopted, strict, run, at) VALUES (%s, %s, %s, %s, coalesce(%s, now()))
           ON CONFLICT (revision) DO UPDATE SET adopted = excluded.adopted, strict = excluded.strict,
                                                run = excluded.run, at = excluded.at""",
        (migration.revision, adopted, work.strict, work.run, at),
    )
    if ledger_row:
        work.record_in_prisma(driver, migration)


def blocked(migration: Frozen, aside: Connection, failed: SqlFailed, attempts: int) -> StepFailed:
    """The error naming the sessions whose locks a migration waited for, after so many attempts."""
    tables = {*PLATFORM, *(each.table or each.makes for each in migration.statements(strict=True))}
    blocking = lock_holders(aside, sorted(tables), SHARE_ROW_EXCLUSIVE)
    times = "once" if attempts == 1 else f"{attempts} times"
    return StepFailed(
        f"Migration {migration.name} {RETRIED[failed.sqlstate]}, {times}; it was rolled back. "
        f"Blocked by: {named(blocking)}.",
        hint=endings(blocking, "Then deploy again."),
    )
