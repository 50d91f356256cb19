"""Which questions belong to a migration and which to a drop; asked by preflight and by the commands themselves."""

from collections.abc import Callable
from pathlib import Path

from cartctl.checks.database.ask import Question
from cartctl.checks.database.dropping import ownership, saving
from cartctl.checks.database.locks_held import drop_locks
from cartctl.checks.database.objects import look_at_ledger, look_at_objects
from cartctl.checks.database.platform_tables import look_at_platform
from cartctl.checks.database.roles import look_at_application_role, look_at_owner, look_at_rights
from cartctl.checks.database.server import (
    connections,
    locks,
    look_at_server,
    look_at_settings,
    look_at_standbys,
)
from cartctl.checks.database.surroundings import look_at_event_triggers, look_at_publications
from cartctl.database.drop.plan_objects import DropPlan
from cartctl.engine.pulse import Pulse

MIGRATING = 6  # connections: the run's lock and journal, the migrators' lock, the migration, a look aside, a spare one
DROPPING = 7  # as above, and the dump of the rows


def migration_questions(
    *, needed: Callable[[int], int] = lambda _: MIGRATING, dump: bool = False
) -> tuple[Question, ...]:
    """Before a migration. `needed`: connections that the run opens, by the database's bytes; with `dump` a snapshot is taken first."""
    return (
        Question("database.server", look_at_server),
        Question("database.owner_role", look_at_owner),
        Question("database.rights", look_at_rights),
        Question("database.app_role", look_at_application_role),
        Question("database.tables", look_at_platform),
        Question("database.objects", look_at_objects),
        Question("database.ledger", look_at_ledger),
        Question("database.settings", look_at_settings),
        Question("database.event_triggers", look_at_event_triggers),
        Question("database.publications", look_at_publications),
        Question("database.standbys", look_at_standbys),
        Question("database.connections", connections(needed)),
        Question("database.locks", locks(dump=dump)),
    )


def drop_questions(plan: DropPlan, directory: Path, pulse: Pulse) -> tuple[Question, ...]:
    """Before a database rollback with this plan; the rows would be saved below `directory`."""
    return (
        Question("database.server", look_at_server),
        Question("database.owner_role", look_at_owner),
        Question("database.owners", ownership(plan)),
        Question("database.saving", saving(plan, directory)),
        Question("database.event_triggers", look_at_event_triggers),
        Question("database.standbys", look_at_standbys),
        Question("database.connections", connections(lambda _: DROPPING)),
        Question("database.locks", locks(dump=False)),
        Question(
            "blockers.locks", drop_locks([*(table.name for table in plan.tables), *plan.altered], pulse)
        ),
    )
