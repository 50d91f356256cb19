"""What a deployment of migrations would do to a database, found out before anything is changed."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from cartctl.adapters.postgres import Connection, as_application
from cartctl.config.model.environment import Database
from cartctl.database.contract.existing_objects import Adoption, find_adoption
from cartctl.database.migrations import ledger
from cartctl.database.migrations.application_files import ApplicationFiles, read_application
from cartctl.database.migrations.guards import refuse_without_rights
from cartctl.database.migrations.status import State
from cartctl.errors import Refused
from cartctl.migrations.frozen import Frozen, Statement


@dataclass(frozen=True, slots=True)
class Work:
    """Everything one deployment of migrations works with."""

    aside: Connection
    settings: Database
    run: str
    strict: bool
    ledger: ledger.Ledger
    adoption: Adoption | None
    application: ApplicationFiles
    warnings: list[str] = field(default_factory=list)  # of commits that no standby confirmed

    def script(self, migration: Frozen) -> bytes:
        """What a revision executes: its frozen files, or what is missing of them; or the application's own file."""
        if self.application.run:
            return b"" if self.adopts(migration) else self.application.files[migration.name]
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

    def tell_prisma(self, driver: Connection, migration: Frozen) -> None:
        """Add the ledger's row for a migration that it lacks, where the application's own file has run.

        What ours did is recorded only where the application's file is the same: another may do more, and its name in the
        ledger would keep Prisma from running it. The same holds for one that is recorded only.
        """
        if not self.ledger.present or self.ledger.has(migration.name):
            return
        executed = self.application.run and not self.adopts(migration)
        if executed or self.application.same_as_ours(migration):
            ledger.record(driver, migration.name, self.application.checksum(migration))
        else:
            self.warnings.append(
                f"{migration.name} is not in Prisma's ledger: the application's own file did not run. Once its whole effect "
                f"is in place: npx prisma migrate resolve --applied {migration.name}"
            )


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
    strict = strict_by(settings, state.ledger) and not application.run
    adoption = find_adoption(aside, state.pending, strict=strict)
    if strict and settings.strict_constraints is None and adoption is not None and adoption.tables:
        strict = False  # other writers use those tables: each constraint could break them
        adoption = find_adoption(aside, state.pending, strict=strict)
    if application.run:
        _require_files(application, adoption, state)
    return Work(aside, settings, run_id, strict, state.ledger, adoption, application)


def _require_files(application: ApplicationFiles, adoption: Adoption | None, state: State) -> None:
    """Require the application's file for every migration to execute, and no conflicting object in the database."""
    executed = [each for each in state.pending if adoption is None or not adoption.whole(each)]
    if adoption is not None:
        _refuse_half(adoption, state.pending)
    if lost := [each.name for each in executed if state.ledger.has(each.name)]:
        raise Refused(
            f"Prisma's ledger holds {', '.join(lost)} as applied, but objects are missing. Nothing was changed.",
            hint="cartctl migrate verify names them; create them as the application's file does.",
        )
    application.require([each.name for each in executed])


def _refuse_half(adoption: Adoption, pending: tuple[Frozen, ...]) -> None:
    """The application's file is run whole or not at all: its statements are not ours to choose from."""
    for migration in pending:
        there = {statement.makes for statement in migration.statements(strict=False)}
        if not adoption.whole(migration) and any(name.partition(" ")[2] in there for name in adoption.kept):
            raise Refused(
                f"Some objects of {migration.name} already exist; the application's file would fail on them.",
                hint='Remove them, or set database.migrations.source = "cartctl", which makes only what is missing.',
            )
