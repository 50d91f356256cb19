"""Snapshots as text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from cartctl.render.amounts import size
from cartctl.render.drawing import ConsoleOptions, Group, RenderableType, Text
from cartctl.render.renderers import PLAIN_WIDTH, renderable
from cartctl.snapshots.storage.entries import Snapshot, Snapshots

_COLUMNS = ("id", "created (UTC)", "size", "verified", "pinned", "migrations")


@renderable.register
def _snapshots(result: Snapshots) -> RenderableType:
    if not result.snapshots:
        return Text("No snapshots. To take one: cartctl snapshot create")
    reasons = [Text(entry.unreadable, "red") for entry in result.snapshots if entry.unreadable]
    return Group(_List(result), *reasons)


class _List:
    """A line per snapshot; where it does not fit, the migrations stand below the id."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._rows = [_cells(entry) for entry in snapshots.snapshots]

    def __rich_console__(self, console: Any, options: ConsoleOptions) -> Iterator[RenderableType]:
        wide = _table(_COLUMNS, self._rows)
        if Measurement.get(console, options.update(max_width=PLAIN_WIDTH), wide).maximum <= options.max_width:
            yield wide
            return
        below: list[tuple[RenderableType, ...]] = [
            (Group(name, Padding(heads, (0, 0, 0, 2))), *others) for name, *others, heads in self._rows
        ]
        yield _table(("id, migrations", *_COLUMNS[1:-1]), below)


def _table(columns: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(
            name,
            no_wrap=name not in {columns[0], "migrations"},
            justify="right" if name == "size" else "left",
        )
    for row in rows:
        table.add_row(*row)
    return table


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
