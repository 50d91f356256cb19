"""`migrate deploy --plan`: the SQL that is pending, as it would be executed. Read-only."""

from dataclasses import dataclass
from typing import ClassVar

from cartctl.adapters.postgres import Postgres
from cartctl.config.model import Database
from cartctl.database.adoption import find_adoption, refuse_slow
from cartctl.database.migrate import refuse, strict_by
from cartctl.database.status import become_owner, read_state


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
    with postgres.session("plan", search_path="public") as connection:
        become_owner(connection, settings)
        state = read_state(connection)
        refuse(state)
        strict = strict_by(settings, state.ledger)
        adoption = find_adoption(connection, state.pending, strict=strict)
    refuse_slow(adoption)
    return MigrationPreview(
        pending=tuple(
            PendingMigration(
                each.name, (adoption.script(each) if adoption else each.script(strict=strict)).decode()
            )
            for each in state.pending
        ),
        kept=adoption.kept if adoption else (),
    )
