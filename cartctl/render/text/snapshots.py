"""Snapshots as text."""

from rich.table import Table

from cartctl.render.amounts import size
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import renderable
from cartctl.snapshots.storage.entries import Snapshot, Snapshots

_COLUMNS = ("id", "created (UTC)", "size", "verified", "pinned", "migrations")


@renderable.register
def _snapshots(result: Snapshots) -> RenderableType:
    if not result.snapshots:
        return Text("No snapshots. To take one: cartctl snapshot create")
    table = Table(box=None, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, no_wrap=name != "migrations", justify="right" if name == "size" else "left")
    for entry in result.snapshots:
        table.add_row(*_cells(entry))
    reasons = [Text(entry.unreadable, "red") for entry in result.snapshots if entry.unreadable]
    return Group(table, *reasons)


@renderable.register
def _snapshot(result: Snapshot) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name, cell in zip(_COLUMNS, _cells(result), strict=True):
        table.add_row(Text(name, "bold"), cell)
    return table


def _state(entry: Snapshot) -> Text:
    if entry.unreadable:
        return Text("unreadable", "red")
    return Text("yes", "green") if entry.verified else Text("no", "yellow")


def _cells(entry: Snapshot) -> tuple[Text, ...]:
    return (
        Text(entry.id),
        Text(f"{entry.created_at:%Y-%m-%d %H:%M:%S}"),
        Text(size(entry.bytes)),
        _state(entry),
        Text("yes" if entry.pinned else "no"),
        Text(", ".join(entry.heads) or "none"),
    )
