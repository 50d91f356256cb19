"""The preview of a rollback as text: its plan and, with the database, what would be dropped."""

from collections.abc import Iterator

from rich.table import Table

from cartctl.database.drop.plan_objects import DropPlan
from cartctl.engine.model import CheckResult, Verdict
from cartctl.plans.rollback.run import RollbackPreview
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import STYLE, renderable
from cartctl.render.text.plan import plan

_STYLE = {"drop": "red", "revert": "red", "keep": "yellow", "forget": "dim"}


@renderable.register
def shown(result: RollbackPreview) -> RenderableType:
    """The run that is rolled back, its time and images, the plan, the drop."""
    parts: list[RenderableType] = [Text(f"rolls back {result}", "bold"), Text(), plan(result.plan)]
    if result.database:
        parts += [Text(), drop_plan(result.database)]
        parts += [_check(each) for each in result.checks.checks if each.verdict is not Verdict.PASS]
    return Group(*parts)


def _check(result: CheckResult) -> Text:
    line = Text(f"{result.verdict.value:<9} {result.name}: {result.observed}", STYLE[result.verdict])
    return line.append(f"\n          {result.hint}", "dim") if result.hint else line


@renderable.register
def drop_plan(result: DropPlan) -> RenderableType:
    """What is dropped, in order, with its rows; then the conflicts."""
    if result.empty:
        return Text(f"Nothing to drop in the database {result.database_name}.")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for verb, what, detail in (*_going(result), *_staying(result)):
        table.add_row(Text(verb, _STYLE.get(verb, "")), Text(what), Text(detail))
    notes = [Text(f"warning   {line}", "yellow") for line in result.warnings]
    notes += [
        Text(f"blocked   {line}", "bold red")
        for line in (*result.dependents, *result.irreversible, *result.later, *_unremovable(result))
    ]
    return Group(table, *notes)


def _going(result: DropPlan) -> Iterator[tuple[str, str, str]]:
    for table in result.tables:
        detail = f"{table.rows} rows, {table.bytes / 1024:,.0f} KiB" + (", saved first" if table.rows else "")
        yield "drop", f"table {table.name}", detail
    for part in result.parts:
        yield "drop", f"{part.kind} {part.name}", f"of {part.table}, which stays"
    for column in result.columns:
        saved = f"{column.values} values, saved first" if column.values else "no values"
        yield "drop", f"column {column.table}.{column.name}", saved
    for enum in result.enums:
        yield "drop", f"enum {enum}", ""
    for revert in (*result.early, *result.reverts):
        yield ("drop" if revert.detail == "dropped" else "revert"), revert.what, revert.detail
    for labels in result.labels:
        rewritten = ", ".join(labels.columns) or "no column"
        yield "revert", f"enum {labels.enum}", f"without {', '.join(labels.labels)}; rewrites {rewritten}"


def _unremovable(result: DropPlan) -> Iterator[str]:
    for labels in result.labels:
        yield from (f"{', '.join(labels.labels)} of {labels.enum}: {why}" for why in labels.blocked)


def _staying(result: DropPlan) -> Iterator[tuple[str, str, str]]:
    for enum in result.kept_enums:
        yield "keep", f"enum {enum}", "still used elsewhere"
    for labels in result.kept_labels:
        yield "keep", f"labels {', '.join(labels.labels)}", f"of enum {labels.enum}"
    for name in result.migrations:
        yield "forget", f"migration {name}", ""
    for row in result.ledger:
        yield "forget", f"row {row.name}", "of Prisma's ledger"
