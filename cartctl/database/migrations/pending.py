"""What a deployment of migrations would do to a database, read before anything is changed."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from cartctl.adapters.postgres import Connection, as_application
from cartctl.config.model.environment import Database
from cartctl.database.contract.existing_objects import Adoption, find_adoption, some_of
from cartctl.database.contract.migration_objects import MigrationObjects, find_objects
from cartctl.database.migrations import ledger
from cartctl.database.migrations.application.existing_parts import existing_parts, missing_parts
from cartctl.database.migrations.application.file_effect import refuse_lacking
from cartctl.database.migrations.application.file_statements import (
    Created,
    read_statements,
    with_optional_labels,
)
from cartctl.database.migrations.application.files import ApplicationFiles, read_application
from cartctl.database.migrations.application.identifiers import identifiers
from cartctl.database.migrations.guards import refuse_without_rights
from cartctl.database.migrations.status import State, act_as_owner_if_allowed, read_state
from cartctl.engine.prediction import TableLock
from cartctl.errors import Refused
from cartctl.migrations.frozen import Frozen, Statement


@dataclass(frozen=True, slots=True)
class Work:
    """The input of one deployment of migrations."""

    aside: Connection
    settings: Database
    run: str
    strict: bool
    ledger: ledger.Ledger
    adoption: Adoption | None
    application: ApplicationFiles
    warnings: list[str] = field(default_factory=list)  # of commits that no standby confirmed
    locks: list[TableLock] = field(default_factory=list)  # of the transactions that were committed

    def script(self, migration: Frozen) -> bytes:
        """The SQL of a revision: its frozen files, or the missing part of them, or the application's own file."""
        if self.application.run:
            return b"" if self.adopts(migration) else self.application.script(migration)
        return self.adoption.script(migration) if self.adoption else migration.script(strict=self.strict)

    def statements(self, migration: Frozen) -> list[Statement]:
        """What a revision executes, statement by statement, without the indexes that rows would make slow to build."""
        if self.application.run:
            whole = self.script(migration).decode()
            return [Statement(whole, "file", f"{migration.name}/migration.sql", None)] if whole else []
        if self.adoption is None:
            return migration.statements(strict=self.strict)
        return [each for each in self.adoption.missing[migration.revision] if each not in self.adoption.slow]

    @contextmanager
    def session(self, driver: Connection) -> Iterator[None]:
        """A block that executes migrations: the application's own files with the settings of its sessions."""
        with as_application(driver) if self.application.run else nullcontext():
            yield

    def adopts(self, migration: Frozen) -> bool:
        """Whether a migration is recorded only."""
        return self.adoption is not None and self.adoption.whole(migration)

    def execute(self, driver: Connection, migration: Frozen, script: bytes) -> None:
        """Execute a whole script in the open transaction. Raises Refused for an application's file that lacks something."""
        with self.session(driver):
            driver.execute(script)
        self.refuse_lacking(driver, migration)

    def refuse_lacking(self, driver: Connection, migration: Frozen) -> None:
        """Check what the application's own file has just created; cartctl's files and equal ones need no check."""
        if (
            self.application.run
            and not self.adopts(migration)
            and not self.application.same_as_ours(migration)
        ):
            refuse_lacking(driver, migration)

    def record_in_prisma(self, driver: Connection, migration: Frozen) -> None:
        """Add the ledger's row for a migration that it lacks, where the application's own file has run.

        For SQL of cartctl or another tool, the row is added only where the application's file is the same: a different file may
        do more, and its name in the ledger would keep Prisma from running it.
        """
        if not self.ledger.present or self.ledger.has(migration.name):
            return
        executed = self.application.run and not self.adopts(migration)
        own = self.application.files.get(migration.name)
        if executed or self.application.same_as_ours(migration):
            ledger.record(driver, migration.name, self.application.checksum(migration))
            return
        missing = [] if own is None else missing_parts(driver, own)
        lacks = f" ({some_of(missing)} missing)" if missing else ""
        self.warnings.append(
            f"{migration.name} is not in Prisma's ledger: the application's own file has not run{lacks}. Once all its changes are in place: npx prisma migrate resolve --applied {migration.name}"
        )


def pending_identifiers(connection: Connection, settings: Database) -> frozenset[str]:
    """The names in the application's files that are about to run; none where cartctl's own SQL runs. Read-only.

    Raises ConfigError for files that cannot be read.
    """
    with act_as_owner_if_allowed(connection, settings):
        state = read_state(connection)
    application = read_application(settings.migrations, ledger=state.ledger.present)
    if not application.run:
        return frozenset()
    files = (application.files.get(each.name, b"") for each in state.pending)
    return frozenset[str]().union(*map(identifiers, files))


def strict_by(settings: Database, known: ledger.Ledger) -> bool:
    """Whether to apply the strict constraints: as configured, else when there is no Prisma ledger."""
    return not known.present if settings.strict_constraints is None else settings.strict_constraints


def prepare(aside: Connection, settings: Database, run_id: str, state: State) -> Work:
    """As `find_work`; also raises Refused for missing rights."""
    refuse_without_rights(aside, settings)
    return find_work(aside, settings, run_id, state)


def find_work(aside: Connection, settings: Database, run_id: str, state: State) -> Work:
    """What a deployment would do here. Raises Refused for objects of another shape. Read-only."""
    application = read_application(settings.migrations, ledger=state.ledger.present)
    if application.run:
        adoption, labels = _find_applied(aside, application, state)
        scripts = {name: with_optional_labels(application.files[name], each) for name, each in labels.items()}
        application = replace(application, scripts=scripts)
        warnings = [
            f"{label} exists already: {name} does not add it again"
            for name, each in labels.items()
            for label in each
        ]
        return Work(aside, settings, run_id, False, state.ledger, adoption, application, warnings)
    strict = strict_by(settings, state.ledger)
    adoption = find_adoption(aside, state.pending, strict=strict)
    if strict and settings.strict_constraints is None and adoption is not None and adoption.tables:
        strict = False  # other applications write to those tables: each constraint could break them
        adoption = find_adoption(aside, state.pending, strict=strict)
    return Work(aside, settings, run_id, strict, state.ledger, adoption, application)


def _find_applied(
    connection: Connection, application: ApplicationFiles, state: State
) -> tuple[Adoption | None, dict[str, list[Created]]]:
    """Which of the application's files have run: those are recorded. Raises Refused for one that has run in part.

    Its files run whole or not at all: its statements are not ours to choose from. Only labels may exist before, by file: a
    rollback may have left them, and a file that adds one has the same effect then.
    """
    objects = find_objects(connection, state.pending)
    executed = [each for each in objects if not each.complete]
    for each in executed:
        _refuse_incomplete(each, state)
    application.require([each.migration.name for each in executed])
    labels = {
        each.migration.name: existing
        for each in executed
        if (existing := _existing_labels(connection, application, each.migration))
    }
    unchanged = tuple(name for each in objects for name in each.existing)
    missing = {
        each.migration.revision: () if each.complete else tuple(each.migration.statements(strict=False))
        for each in objects
    }
    return Adoption(unchanged, missing) if unchanged else None, labels


def _refuse_incomplete(objects: MigrationObjects, state: State) -> None:
    """A migration that Prisma recorded, or of which some objects exist, and that lacks what the cart needs."""
    name = objects.migration.name
    again = "(cartctl migrate verify lists everything), then: cartctl migrate adopt"
    if state.ledger.has(name):
        raise Refused(
            f"Prisma's ledger lists {name} as applied, but the cart needs more: {some_of(objects.faults)}. "
            "Nothing was changed.",
            hint=f"Change the database with a migration of the application {again}",
        )
    if objects.existing:
        raise Refused(
            f"{name} is partially applied: {some_of(objects.existing)} exist; {some_of(objects.faults)}. "
            "Nothing was changed.",
            hint=f"Remove these objects, then deploy again; or create the missing ones as in the application's file {again}",
        )


def _existing_labels(
    connection: Connection, application: ApplicationFiles, migration: Frozen
) -> list[Created]:
    """The labels of a file that exist. Raises Refused where it would fail on another object that exists, before any change."""
    created = read_statements(application.files[migration.name]).created
    existing = existing_parts(connection, created)
    if any(each.kind != "label" for each in existing):
        missing = [str(each) for each in created if each not in existing]
        rest = f"; {some_of(missing)} missing" if missing else ""
        raise Refused(
            f"The application's migration {migration.name} is partially applied: "
            f"{some_of([str(each) for each in existing])} exist{'s' if len(existing) == 1 else ''}{rest}. "
            "Nothing was changed.",
            hint="Remove these objects, then deploy again; or execute the rest of the file, then: npx prisma migrate resolve "
            f"--applied {migration.name}, and: cartctl migrate adopt",
        )
    return existing
