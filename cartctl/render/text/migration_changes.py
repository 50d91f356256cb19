"""What `migrate` would do and did, as text; the status is separate, since it imports nothing that changes a database."""

from rich.table import Table

from cartctl.database.migrations.apply import Migrated
from cartctl.database.migrations.dry_run import DryRun
from cartctl.database.migrations.indexes import Built, IndexPlan
from cartctl.database.migrations.preview import MigrationPreview
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import renderable

SLOWEST = 3  # statements shown of each migration


@renderable.register
def _dry_run(result: DryRun) -> RenderableType:
    if not result.migrations and not result.skipped:
        return Text("No pending migrations; nothing was executed.")
    done = Table.grid(padding=(0, 2))
    for migration in result.migrations:
        detail = f"{migration.seconds * 1000:.0f} ms, {len(migration.statements)} statements"
        done.add_row(Text("executed", "green"), Text(migration.name), Text(detail))
        for slow in sorted(migration.statements, key=lambda each: -each.seconds)[:SLOWEST]:
            done.add_row("", Text(f"  {slow.makes}", "dim"), Text(f"{slow.seconds * 1000:.1f} ms", "dim"))
    for lock in result.locks:
        done.add_row(Text("lock", "yellow"), Text(lock.relation), Text(lock.mode))
    for name in result.kept:
        done.add_row(Text("kept", "dim"), Text(name), Text("exists already"))
    for name in result.not_executed:
        detail = "not executed: cartctl migrate index --concurrently"
        done.add_row(Text("index", "yellow"), Text(name), Text(detail))
    for name in result.skipped:
        done.add_row(
            Text("skipped", "yellow"),
            Text(name),
            Text("cannot run in one transaction with the others: use cartctl rehearse"),
        )
    return Group(done, Text("Rolled back; nothing was changed."))


@renderable.register
def _indexes(result: IndexPlan) -> RenderableType:
    if not result.indexes:
        return Text("No index is missing on a table with rows.")
    return Group(*(Text(f"{'rebuild' if each.rebuilt else 'build'}  {each.sql}") for each in result.indexes))


@renderable.register
def _built(result: Built) -> RenderableType:
    lines = [f"{'rebuilt' if name in result.rebuilt else 'built'}  {name}" for name in result.indexes]
    warned = [f"warning: {each}" for each in result.warnings]
    return Text("\n".join([*lines, *warned, f"Done in {result.seconds:.2f} s."]))


@renderable.register
def _preview(result: MigrationPreview) -> RenderableType:
    if not result.pending:
        return Text("No pending migrations.")
    unchanged = [Text(f"-- unchanged: {name}", "dim") for name in result.kept]
    parts: list[RenderableType] = [*unchanged]
    for each in result.pending:
        parts += [
            Text(f"-- {each.name}", "bold"),
            Text(each.sql.replace("\r\n", "\n") or "-- all objects exist; only recorded"),
        ]
    return Group(*parts)


@renderable.register
def _migrated(result: Migrated) -> RenderableType:
    if not result.applied:
        return Text(f"No pending migrations; the database is at {', '.join(result.heads)}.")
    table = Table.grid(padding=(0, 2))
    for name in result.applied:
        status = "adopted" if name in result.adopted else "applied"
        table.add_row(Text(status, "green"), Text(name))
    warned = [Text(f"warning: {each}", "yellow") for each in result.warnings]
    return Group(table, *warned, Text(f"Done in {result.seconds:.2f} s, verified."))
