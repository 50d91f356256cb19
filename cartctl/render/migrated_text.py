"""What a deployment of migrations did, as text; apart from the others, since it needs nothing that drops them."""

from rich.table import Table

from cartctl.database.migrate import Migrated
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.text import renderable


@renderable.register
def _migrated(result: Migrated) -> RenderableType:
    if not result.applied:
        return Text(f"Nothing was pending; the database is at {', '.join(result.heads)}.")
    table = Table.grid(padding=(0, 2))
    for name in result.applied:
        told = "adopted" if name in result.adopted else "applied"
        table.add_row(Text(told, "green"), Text(name))
    warned = [Text(f"warning: {each}", "yellow") for each in result.warnings]
    return Group(table, *warned, Text(f"Done in {result.seconds:.2f} s, verified."))
