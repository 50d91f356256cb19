"""`migrate adopt`: check and record a database that another tool migrated; nothing in it is changed."""

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import read_catalogue
from cartctl.database.contract.contract_check import MISSING, judge
from cartctl.database.contract.existing_objects import AS_REQUIRED, Adoption, some_of
from cartctl.database.migrations.application_files import read_application
from cartctl.database.migrations.apply import Migrated, apply_all, migrator, refuse
from cartctl.database.migrations.guards import migrating
from cartctl.database.migrations.pending import Work
from cartctl.database.migrations.status import read_state
from cartctl.engine.model import Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused


def adopt(postgres: Postgres, settings: Database, run_id: str, pulse: Pulse) -> Migrated:
    """Record the three migrations as applied when every required object exists.

    Raises Refused before any change, naming what is missing or of another shape.
    """
    began = pulse.now()
    with migrating(postgres, settings, pulse) as aside:
        state = read_state(aside)
        refuse(state)
        pending = state.pending
        warnings: tuple[str, ...] = ()
        if pending:
            _require_whole(aside)
            recorded = Adoption(kept=(), missing={each.revision: () for each in pending})
            known = read_application(settings.migrations, ledger=state.ledger.present)
            work = Work(
                aside,
                settings,
                run_id,
                strict=False,
                ledger=state.ledger,
                adoption=recorded,
                application=known,
            )
            with migrator(postgres, settings) as connection:
                apply_all(connection, work, state, pulse)
            warnings = tuple(dict.fromkeys(work.warnings))
        after = read_state(aside)
    names = tuple(each.name for each in pending)
    seconds = round(pulse.now() - began, 3)
    return Migrated(names, adopted=names, heads=after.heads, seconds=seconds, warnings=warnings)


def _require_whole(connection: Connection) -> None:
    bad = [each for each in judge(read_catalogue(connection), AS_REQUIRED) if each.verdict is Verdict.FAIL]
    if bad:
        problems = some_of([f"{each.name} is {each.observed}, expected {each.expected}" for each in bad])
        lacking = all(each.observed == MISSING for each in bad)
        raise Refused(
            f"This database is not completely migrated: {problems}. Nothing was recorded.",
            hint="cartctl migrate deploy creates missing objects and keeps existing ones."
            if lacking
            else "Repair what has another shape, or see whose it is, then adopt again.",
        )
