"""Which checks belong to a migration and which to a drop; run by preflight and by the commands themselves."""

from collections.abc import Callable
from pathlib import Path

from cartctl.checks.database.database_check import DatabaseCheck
from cartctl.checks.database.dropping import ownership, saving
from cartctl.checks.database.locks_held import drop_locks
from cartctl.checks.database.objects import check_ledger, check_objects
from cartctl.checks.database.platform_tables import check_platform
from cartctl.checks.database.roles import check_application_role, check_owner, check_rights
from cartctl.checks.database.server import (
    check_server,
    check_settings,
    check_standbys,
    connections,
    locks,
)
from cartctl.checks.database.triggers_and_publications import check_event_triggers, check_publications
from cartctl.database.drop.plan_objects import DropPlan
from cartctl.engine.pulse import Pulse

MIGRATING = 6  # connections: the run's lock and journal, the migrators' lock, the migration, a look aside, a spare one
DROPPING = 7  # as above, and the dump of the rows


def migration_database_checks(
    *, needed: Callable[[int], int] = lambda _: MIGRATING, dump: bool = False
) -> tuple[DatabaseCheck, ...]:
    """Before a migration. `needed`: connections that the run opens, by the database's bytes; with `dump` a snapshot is taken first."""
    return (
        DatabaseCheck("database.server", check_server),
        DatabaseCheck("database.owner_role", check_owner),
        DatabaseCheck("database.rights", check_rights),
        DatabaseCheck("database.app_role", check_application_role),
        DatabaseCheck("database.tables", check_platform),
        DatabaseCheck("database.objects", check_objects),
        DatabaseCheck("database.ledger", check_ledger),
        DatabaseCheck("database.settings", check_settings),
        DatabaseCheck("database.event_triggers", check_event_triggers),
        DatabaseCheck("database.publications", check_publications),
        DatabaseCheck("database.standbys", check_standbys),
        DatabaseCheck("database.connections", connections(needed)),
        DatabaseCheck("database.locks", locks(dump=dump)),
    )


def drop_database_checks(plan: DropPlan, directory: Path, pulse: Pulse) -> tuple[DatabaseCheck, ...]:
    """Before a database rollback with this plan; the rows would be saved below `directory`."""
    return (
        DatabaseCheck("database.server", check_server),
        DatabaseCheck("database.owner_role", check_owner),
        DatabaseCheck("database.owners", ownership(plan)),
        DatabaseCheck("database.saving", saving(plan, directory)),
        DatabaseCheck("database.event_triggers", check_event_triggers),
        DatabaseCheck("database.standbys", check_standbys),
        DatabaseCheck("database.connections", connections(lambda _: DROPPING)),
        DatabaseCheck("database.locks", locks(dump=False)),
        DatabaseCheck(
            "blockers.locks", drop_locks([*(table.name for table in plan.tables), *plan.altered], pulse)
        ),
    )
