"""The migration status as text; separate from the others, since it imports nothing that changes a database."""

from rich.table import Table

from cartctl.database.migrations.status import MigrationStatus
from cartctl.render.drawing import RenderableType, Text
from cartctl.render.renderers import renderable


@renderable.register
def _status(result: MigrationStatus) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name in result.applied:
        table.add_row(Text("applied", "green"), Text(name))
    recorded = {row.name for row in result.prisma.rows if row.applied}
    for name in result.pending:
        hint = " (applied by Prisma: cartctl migrate adopt)" if name in recorded else ""
        table.add_row(Text("pending", "yellow"), Text(name + hint))
    if result.pending:
        command = "adopt" if result.pending[0] in recorded else "deploy"
        table.add_row(Text("next", "dim"), Text(f"cartctl migrate {command}"))
    for name in result.unknown:
        table.add_row(Text("unknown", "bold red"), Text(name))
    ledger = f"{len(result.prisma.rows)} rows" if result.prisma.present else "none"
    table.add_row(Text("ledger", "dim"), Text(f"_prisma_migrations: {ledger}"))
    for problem in result.prisma.problems:
        table.add_row(Text("problem", "bold red"), Text(problem))
    return table
