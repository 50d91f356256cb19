"""`migrate adopt`: check and record what another tool has migrated; nothing in it is changed."""

from itertools import takewhile

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.contract.existing_objects import Adoption, some_of
from cartctl.database.contract.migration_objects import MigrationObjects, find_objects
from cartctl.database.migrations.application.files import ApplicationFiles, read_application
from cartctl.database.migrations.apply import Migrated, apply_all, migrator, refuse
from cartctl.database.migrations.guards import migrating
from cartctl.database.migrations.pending import Work
from cartctl.database.migrations.status import State, read_state
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused
from cartctl.migrations.frozen import Frozen


def adopt(postgres: Postgres, settings: Database, run_id: str, pulse: Pulse) -> Migrated:
    """Record the migrations as applied whose required objects exist: all, or the first ones.

    Raises Refused before any change, naming what is missing or of another shape.
    """
    began = pulse.now()
    with migrating(postgres, settings, pulse) as aside:
        state = read_state(aside)
        refuse(state)
        application = read_application(settings.migrations, ledger=state.ledger.present)
        complete = _complete(find_objects(aside, state.pending), application, state)
        warnings: tuple[str, ...] = ()
        if complete:
            recorded = Adoption(kept=(), missing={each.revision: () for each in complete})
            work = Work(
                aside,
                settings,
                run_id,
                strict=False,
                ledger=state.ledger,
                adoption=recorded,
                application=application,
            )
            with migrator(postgres, settings) as connection:
                apply_all(connection, work, state, complete, pulse)
            warnings = tuple(dict.fromkeys(work.warnings))
        after = read_state(aside)
    if after.pending:
        warnings += (
            f"still pending: {', '.join(each.name for each in after.pending)}. cartctl migrate deploy",
        )
    names = tuple(each.name for each in complete)
    seconds = round(pulse.now() - began, 3)
    return Migrated(names, adopted=names, heads=after.heads, seconds=seconds, warnings=warnings)


def _complete(
    objects: tuple[MigrationObjects, ...], application: ApplicationFiles, state: State
) -> tuple[Frozen, ...]:
    """The migrations to record. Raises Refused when there are none, and for the next one when some of its objects exist."""
    complete = tuple(each.migration for each in takewhile(lambda each: each.complete, objects))
    if len(complete) == len(objects):
        return complete
    first = objects[len(complete)]
    recorded = state.ledger.has(first.migration.name)
    if first.existing or recorded:
        raise Refused(
            f"This database is only partially migrated: {first.migration.name}: {some_of(first.faults)}. "
            "Nothing was recorded.",
            hint="Change the database with a migration of the application, then adopt again."
            if application.run
            else "cartctl migrate deploy creates missing objects and keeps existing ones; repair those with a different definition.",
        )
    if not complete:
        raise Refused(
            f"Nothing to adopt: no object of {first.migration.name} exists. Nothing was recorded.",
            hint="Apply the migrations: cartctl migrate deploy",
        )
    return complete
