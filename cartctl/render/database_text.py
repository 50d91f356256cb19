"""Migrations and what is done with them, as text."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cartctl.database.migrate import Migrated
from cartctl.database.preview import MigrationPreview
from cartctl.database.status import MigrationStatus
from cartctl.render.text import renderable


@renderable.register
def _status(result: MigrationStatus) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name in result.applied:
        table.add_row(Text("applied", "green"), Text(name))
    for name in result.pending:
        table.add_row(Text("pending", "yellow"), Text(name))
    for name in result.unknown:
        table.add_row(Text("unknown", "bold red"), Text(name))
    ledger = f"{len(result.prisma.rows)} rows" if result.prisma.present else "none"
    table.add_row(Text("ledger", "dim"), Text(f"_prisma_migrations: {ledger}"))
    for problem in result.prisma.problems:
        table.add_row(Text("problem", "bold red"), Text(problem))
    return table


@renderable.register
def _migrated(result: Migrated) -> RenderableType:
    if not result.applied:
        return Text(f"Nothing was pending; the database is at {', '.join(result.heads)}.")
    table = Table.grid(padding=(0, 2))
    for name in result.applied:
        told = "adopted" if name in result.adopted else "applied"
        table.add_row(Text(told, "green"), Text(name))
    return Group(table, Text(f"Done in {result.seconds:.2f} s, verified."))


@renderable.register
def _preview(result: MigrationPreview) -> RenderableType:
    if not result.pending:
        return Text("Nothing is pending.")
    kept = [Text(f"-- kept as it is: {name}", "dim") for name in result.kept]
    parts: list[RenderableType] = [*kept]
    for each in result.pending:
        parts += [
            Text(f"-- {each.name}", "bold"),
            Text(each.sql or "-- every object is there; recorded only"),
        ]
    return Group(*parts)
