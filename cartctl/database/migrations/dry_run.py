"""`migrate deploy --dry-run`: the pending migrations executed on the target itself, timed, and rolled back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Connection, Postgres, SqlFailed, milliseconds, translated
from cartctl.config.model.environment import Database
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.migrations.application.file_statements import read_statements
from cartctl.database.migrations.apply import NEW_LABEL, RETRIED, blocked, grant, named_failure, refuse
from cartctl.database.migrations.guards import migrating
from cartctl.database.migrations.outside_transaction import runs_outside
from cartctl.database.migrations.pending import Work, prepare
from cartctl.database.migrations.status import become_owner, read_state
from cartctl.engine.pulse import Pulse
from cartctl.migrations.frozen import Frozen

_LOCKS = """
SELECT DISTINCT ON (name) name, mode FROM (
    SELECT c.oid::regclass::text AS name, l.mode,
           array_position(ARRAY['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock',
               'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'], l.mode) AS strength
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.granted AND l.relation = ANY (%s)
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS held
ORDER BY name, strength DESC
"""
_EXISTING = """
SELECT coalesce(array_agg(c.oid), '{}') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


@dataclass(frozen=True, slots=True)
class Timed:
    """One statement: what it creates, and its duration in seconds."""

    makes: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DryMigration:
    """A migration that was executed and rolled back; seconds of its transaction without the commit."""

    name: str
    seconds: float
    statements: tuple[Timed, ...]


@dataclass(frozen=True, slots=True)
class RelationLock:
    """The strongest lock taken on an existing relation."""

    relation: str
    mode: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """The measured result of a dry run.

    `not_executed` are indexes that `migrate index --concurrently` builds; `skipped` are migrations from the first one that
    cannot be in a transaction with those before it.
    """

    kind: ClassVar[str] = "dry_run"

    migrations: tuple[DryMigration, ...]
    locks: tuple[RelationLock, ...]
    kept: tuple[str, ...]
    not_executed: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def dry_run(postgres: Postgres, settings: Database, pulse: Pulse) -> DryRun:
    """Execute the pending migrations in one transaction and roll it back; nothing is kept, but the locks are taken.

    Raises what `deploy` would raise; StepFailed naming the blockers at the first lock that is not granted.
    """
    with migrating(postgres, settings, pulse) as aside:
        state = read_state(aside)
        refuse(state)
        work = prepare(aside, settings, "dry-run", state)
        migrations, locks = _execute(postgres, work, state.pending, pulse)
    adoption = work.adoption
    executed = {each.name for each in migrations}
    return DryRun(
        migrations=migrations,
        locks=locks,
        kept=adoption.kept if adoption else (),
        not_executed=tuple(each.makes for each in adoption.slow) if adoption else (),
        skipped=tuple(each.name for each in state.pending if each.name not in executed),
    )


def _execute(
    postgres: Postgres, work: Work, pending: tuple[Frozen, ...], pulse: Pulse
) -> tuple[tuple[DryMigration, ...], tuple[RelationLock, ...]]:
    settings = work.settings
    limits = {
        "lock_timeout": milliseconds(settings.lock_timeout),
        "statement_timeout": milliseconds(settings.statement_timeout),
    }
    with postgres.session("migrate", autocommit=False, search_path=SCHEMA, **limits) as connection:
        become_owner(connection, settings)
        row = connection.execute(_EXISTING).fetchone()
        with effect("postgres.dry_run"), pulse.cancelling(connection.cancel_safe):
            done = tuple(_executable(connection, work, pending))
            locks = connection.execute(_LOCKS.encode(), (row[0] if row else [],)).fetchall()
        connection.rollback()
    return done, tuple(RelationLock(name, mode) for name, mode in locks)


def _executable(connection: Connection, work: Work, pending: tuple[Frozen, ...]) -> Iterator[DryMigration]:
    """Each migration, up to the first that cannot be in this transaction, though the run can execute it."""
    for migration in pending:
        if runs_outside(work, migration):
            return
        connection.execute("SAVEPOINT migration")
        try:
            yield _migration(connection, work, migration)
        except SqlFailed as failed:
            if failed.sqlstate != NEW_LABEL or _adds_label(work, migration, failed):
                raise named_failure(migration, failed) from failed
            connection.execute("ROLLBACK TO SAVEPOINT migration")
            return


def _adds_label(work: Work, migration: Frozen, failed: SqlFailed) -> bool:
    """Whether the label that was used too early comes from the same file: then a deployment fails too."""
    created = read_statements(work.script(migration)).created
    return any(each.kind == "label" and f'"{each.name}"' in failed.message for each in created)


def _migration(connection: Connection, work: Work, migration: Frozen) -> DryMigration:
    began = time.monotonic()
    try:
        with translated():
            with work.session(connection):
                statements = tuple(_statements(connection, work, migration))
            work.refuse_lacking(connection, migration)
            grant(connection, migration, work.settings.app_role)
            work.record_in_prisma(connection, migration)
    except SqlFailed as failed:
        if failed.sqlstate in RETRIED:
            raise blocked(migration, work.aside, failed, 1) from failed
        raise
    return DryMigration(migration.name, round(time.monotonic() - began, 4), statements)


def _statements(connection: Connection, work: Work, migration: Frozen) -> Iterator[Timed]:
    for statement in work.statements(migration):
        began = time.monotonic()
        connection.execute(statement.sql.encode())
        yield Timed(f"{statement.kind} {statement.makes}", round(time.monotonic() - began, 4))
