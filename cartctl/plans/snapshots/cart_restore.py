"""`snapshot restore --cart-only --plan`: the rows to restore, and the rows in the tables now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from cartctl.adapters.postgres import Connection, sql
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.restore_rows import our_tables
from cartctl.errors import Refused
from cartctl.plans.execution.saved_rows import find_row_source
from cartctl.ports import Ports


@dataclass(frozen=True, slots=True)
class CartRestorePlan:
    """What restoring the cart's rows would do: rows by table in the snapshot and in the database now (null: the table is missing). `refused` has the reasons why it would not run."""

    kind: ClassVar[str] = "cart_restore_plan"

    snapshot: str
    database: str
    rows: Mapping[str, tuple[int, int | None]]
    replacing: bool  # save and replace existing rows
    refused: tuple[str, ...] = ()
    hint: str = ""

    def refuse(self) -> None:
        """Raise Refused when the run would."""
        if self.refused:
            raise Refused("; ".join(self.refused), hint=self.hint)


def plan_carts(ports: Ports, name: str, *, replacing: bool) -> CartRestorePlan:
    """Preview `restore_carts` for the saved rows or snapshot `name`. Read-only. Raises UsageError for an unknown name."""
    with find_row_source(ports, name)() as source:
        there = {table: source.rows[table] for table in our_tables() if table in source.rows}
    with ports.database.session("restore plan") as connection:
        rows = {table: (then, _count(connection, table)) for table, then in there.items()}
    refused = list(_refusals(name, rows, replacing=replacing))
    return CartRestorePlan(
        snapshot=name,
        database=ports.database.name,
        rows=rows,
        replacing=replacing,
        refused=tuple(message for message, _ in refused),
        hint=refused[0][1] if refused else "",
    )


def _refusals(
    name: str, rows: Mapping[str, tuple[int, int | None]], *, replacing: bool
) -> Iterator[tuple[str, str]]:
    if not rows:
        yield f"{name} does not contain the cart's tables", "Choose a snapshot that includes them."
    if missing := [table for table, (_, now) in rows.items() if now is None]:
        yield f"missing tables: {', '.join(missing)}", "cartctl migrate deploy"
    if not replacing and (full := [table for table, (_, now) in rows.items() if now]):
        yield (
            f"the tables already hold rows: {', '.join(full)}",
            "To replace them: cartctl snapshot restore --cart-only --allow-data-loss; they are saved first.",
        )


def _count(connection: Connection, table: str) -> int | None:
    name = sql.Identifier(SCHEMA, table)
    there = connection.execute("SELECT to_regclass(%s)::text", (name.as_string(connection),)).fetchone()
    if there == (None,):
        return None
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
    return int(row[0]) if row else None
