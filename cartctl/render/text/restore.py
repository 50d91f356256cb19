"""A restore's preview and result, and the result of pruning, as text."""

from rich.table import Table

from cartctl.database.drop.restore_rows import RestoredRows
from cartctl.plans.snapshots.cart_restore import CartRestorePlan
from cartctl.render.drawing import RenderableType, Text
from cartctl.render.renderers import renderable
from cartctl.snapshots.restore.plan import RestorePlan
from cartctl.snapshots.restore.run import Restored
from cartctl.snapshots.storage.retention import Pruned


@renderable.register
def _plan(result: RestorePlan) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("database", "bold"), Text(result.database))
    age = f"{result.taken_at:%Y-%m-%d %H:%M:%S} UTC, {result.minutes} minutes ago"
    table.add_row(Text("snapshot", "bold"), Text(f"{result.snapshot}, taken {age}"))
    for line in result.loss.lines():
        table.add_row(Text("lost", "yellow"), Text(line))
    for line in result.loss.unknown:
        table.add_row(Text("unknown", "red"), Text(line))
    if not result.loss:
        table.add_row(Text("lost", "green"), Text("nothing: unchanged since the snapshot"))
    for line in result.notes:
        table.add_row(Text("note", "yellow"), Text(line))
    for one in result.connections:
        table.add_row(Text("connected", "yellow"), Text(one))
    _add_refusal(table, result.refused, result.hint)
    return table


@renderable.register
def _cart_plan(result: CartRestorePlan) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("database", "bold"), Text(result.database))
    table.add_row(Text("snapshot", "bold"), Text(f"{result.snapshot}, the cart's rows only"))
    for name, (then, now) in result.rows.items():
        here = "no such table" if now is None else f"{now} now"
        table.add_row(Text("rows"), Text(f"{name}: {then} to restore, {here}"))
    if result.replacing and any(now for _, now in result.rows.values()):
        table.add_row(Text("note", "yellow"), Text("existing rows are saved first, then replaced"))
    _add_refusal(table, result.refused, result.hint)
    return table


def _add_refusal(table: Table, refused: tuple[str, ...], hint: str) -> None:
    for line in refused:
        table.add_row(Text("refused", "red"), Text(line))
    if hint:
        table.add_row(Text("hint"), Text(hint))


@renderable.register
def _restored(result: Restored) -> RenderableType:
    summary = f"{result.database} now holds the snapshot {result.snapshot}: {result.rows} rows, {result.seconds:.1f} s."
    previous = f" The previous database is {result.kept_as}." if result.kept_as else ""
    return Text("\n".join([summary + previous, *(f"warning: {each}" for each in result.warnings)]))


@renderable.register
def _restored_rows(result: RestoredRows) -> RenderableType:
    lines = [f"{count:>12,} rows  {name}" for name, count in result.rows.items() if count]
    aside = [f"The replaced rows are saved in {result.replaced}."] if result.replaced else []
    warned = [f"warning: {each}" for each in result.warnings]
    return Text("\n".join([f"Restored from {result.source}:", *lines, *aside, *warned]))


@renderable.register
def _pruned(result: Pruned) -> RenderableType:
    verb = "removed" if result.done else "would be removed"
    lines = [f"{verb}  {name}" for name in result.removed] or ["Nothing to remove."]
    lines += [
        f"unreadable  {name}; to remove it: cartctl snapshot prune {name}" for name in result.unreadable
    ]
    return Text("\n".join([*lines, f"{len(result.kept)} kept."]))
