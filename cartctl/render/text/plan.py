"""A plan as text: each step under its phase, with current values and what would change."""

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.table import Table

from cartctl.plans.execution.preview import Plan, PlanRow
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.predicted import expected
from cartctl.render.renderers import renderable

MAX_CHARACTERS = 60  # characters of one value
_KEY = 18


@renderable.register
def plan(result: Plan) -> RenderableType:
    """A heading and a table per phase; values that would change are listed under their step."""
    changing = sum(row.before != row.after for row in result.rows)
    parts: list[RenderableType] = [
        Text.assemble(
            (f"{result.name} {result.env}", "bold"),
            (f"  {len(result.rows)} steps, {changing} would change values", "dim"),
        )
    ]
    for (phase, offset), rows in groupby(result.rows, key=lambda row: (row.phase, row.offset)):
        parts += [Text(), Text.assemble((phase, "bold"), (f"  {offset}", "dim")), _table(list(rows))]
    return Group(*parts, *([Text(), expected(result.prediction)] if result.prediction else []))


def _table(rows: list[PlanRow]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=0)
    table.add_column(no_wrap=True, min_width=_KEY)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row("", Text(row.key, "dim" if not row.does else ""), _details(row))
    return table


def _details(row: PlanRow) -> Text:
    text = Text(row.does)
    if row.note:
        text.append(f" ({row.note})" if row.does else row.note, "dim")
    for line in row.moves or differences(row.before or {}, row.after or {}):
        text.append(f"\n{line}", "cyan")
    if row.refused:
        text.append(f"\nrefused: {row.refused}", "bold red")
    return text


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """`name: now → then` for each value that would change."""
    names = [*before, *(name for name in after if name not in before)]
    return [
        f"{name}: {_moved(before.get(name), after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def _moved(before: Any, after: Any) -> str:
    """Values that differ only after their shown beginning are not repeated."""
    now, then = _value(before), _value(after)
    return f"{now} → {then}" if now != then else f"{now} → details changed"


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and "ref" in value:
        value = value["ref"]  # an image: its digest means nothing to a reader
    if isinstance(value, Mapping) and "defaultVariant" in value:  # a flag, whose rule would fill the screen
        value = f"{'by its rule, otherwise ' if value.get('targeting') else ''}{value['defaultVariant']}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = "nothing" if value is None else text
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"
