"""The document's sign-off table: role, name, date, signature."""

from collections.abc import Iterable

from rich.table import Table

from cartctl.engine.signoffs import RunSignoff
from cartctl.render.drawing import Text


def signoff_table(signoffs: Iterable[RunSignoff]) -> Table:
    """One row per role; an empty name is a role that has not approved."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("role", "name", "date"):
        table.add_column(name, no_wrap=True)
    table.add_column("signature", overflow="fold")
    for one in signoffs:
        date = f"{one.at:%Y-%m-%d %H:%M}" if one.at else ""
        table.add_row(
            Text(one.role), Text(one.name), date, Text(one.signature or ("not signed" if one.name else ""))
        )
    return table
