"""`migrate deploy --plan`: the SQL that is pending, as it would be executed. Read-only."""

from dataclasses import dataclass
from typing import ClassVar

from cartctl.adapters.postgres import Postgres
from cartctl.config.model import Database
from cartctl.database.adoption import refuse_slow
from cartctl.database.migrate import refuse
from cartctl.database.status import act_as_owner_if_allowed, read_state
from cartctl.database.work import find_work


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """One migration to come; `sql` is empty when every object is there and it would only be recorded."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class MigrationPreview:
    """What `migrate deploy` would execute, oldest first, and what it would keep as it is."""

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
