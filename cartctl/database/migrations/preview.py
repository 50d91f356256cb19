"""`migrate deploy --plan`: the SQL that is pending, as it would be executed. Read-only."""

from dataclasses import dataclass
from typing import ClassVar

from cartctl.adapters.postgres import Postgres
from cartctl.config.model.environment import Database
from cartctl.database.contract.existing_objects import refuse_slow
from cartctl.database.migrations.apply import refuse
from cartctl.database.migrations.pending import find_work
from cartctl.database.migrations.status import act_as_owner_if_allowed, read_state


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """A pending migration; `sql` is empty when every object exists and it would only be recorded."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class MigrationPreview:
    """The migrations that `migrate deploy` would apply, oldest first, and the objects it would keep."""

    kind: ClassVar[str] = "migration_plan"

    pending: tuple[PendingMigration, ...]
    kept: tuple[str, ...]


def preview(postgres: Postgres, settings: Database) -> MigrationPreview:
    """The pending SQL. Raises Refused where `deploy` would refuse for what is in the database."""
    with (
        postgres.session("plan", search_path="public") as connection,
        act_as_owner_if_allowed(connection, settings),
    ):
        state = read_state(connection)
        refuse(state)
        work = find_work(connection, settings, "plan", state)
    refuse_slow(work.adoption)
    return MigrationPreview(
        pending=tuple(PendingMigration(each.name, work.script(each).decode()) for each in state.pending),
        kept=work.adoption.kept if work.adoption else (),
    )
