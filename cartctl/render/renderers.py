"""Results as text for people: a renderer per result type, registered on `renderable`, drawn on one console."""

from collections.abc import Iterator
from functools import singledispatch
from importlib import import_module
from typing import Any, TextIO

from rich.padding import Padding
from rich.table import Table

from cartctl.adapters.export_files import Exported
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.render.amounts import duration
from cartctl.render.drawing import Console, ConsoleOptions, Group, RenderableType, Text

STYLE = {
    Verdict.PASS: "green",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "bold red",
    Verdict.UNKNOWN: "magenta",
    Verdict.NOT_CONFIGURED: "dim",
}
VERDICT, TIME = 18, 10  # columns of the verdict (not configured) and of the time, with the space beside them
ROOM = 30  # columns for the observed value; with fewer, it is shown below the name
PLAIN_WIDTH = 10_000  # columns in files and pipes: no text is wrapped or cut

_ELSEWHERE = {  # kind of result → the module that registers its renderer; loaded when it is shown
    "cart_job": "cartctl.render.text.cart",
    "cart_restore_plan": "cartctl.render.text.restore",
    "cart_stats": "cartctl.render.text.cart",
    "config": "cartctl.render.text.config",
    "drop_plan": "cartctl.render.text.rollback",
    "dry_run": "cartctl.render.text.migration_changes",
    "flag_list": "cartctl.render.text.rollout",
    "flags": "cartctl.render.text.rollout",
    "history": "cartctl.render.text.runs",
    "index_plan": "cartctl.render.text.migration_changes",
    "indexes": "cartctl.render.text.migration_changes",
    "load": "cartctl.render.text.sandbox",
    "log": "cartctl.render.text.logs",
    "logs": "cartctl.render.text.logs",
    "migrated": "cartctl.render.text.migration_changes",
    "migration_plan": "cartctl.render.text.migration_changes",
    "migrations": "cartctl.render.text.migration_status",
    "plan": "cartctl.render.text.plan",
    "pruned": "cartctl.render.text.restore",
    "put_back": "cartctl.render.text.restore",
    "preview": "cartctl.render.text.rollout",
    "quote": "cartctl.render.text.quote",
    "restore_plan": "cartctl.render.text.restore",
    "restored": "cartctl.render.text.restore",
    "rollback_plan": "cartctl.render.text.rollback",
    "rollout": "cartctl.render.text.rollout",
    "replay": "cartctl.render.text.tick",
    "recovery_claim": "cartctl.render.text.cart",
    "run": "cartctl.render.text.runs",
    "sandbox": "cartctl.render.text.sandbox",
    "seeded": "cartctl.render.text.sandbox",
    "signoff_records": "cartctl.render.text.signoff.request_and_sheet",
    "signoff_request": "cartctl.render.text.signoff.request_and_sheet",
    "signoffs": "cartctl.render.text.signoff.request_and_sheet",
    "snapshot": "cartctl.render.text.snapshots",
    "snapshots": "cartctl.render.text.snapshots",
    "tick": "cartctl.render.text.tick",
}


@singledispatch
def renderable(result: Any) -> RenderableType:
    """The rich renderable of a result."""
    return Text(str(result))


@renderable.register
def _checks(result: Checks) -> RenderableType:
    return _ChecksTable(result)


class _ChecksTable:
    """A line per check; where the names leave too little room, the observed value is below its name."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._timed = any(check.seconds for check in checks.checks)

    def __rich_console__(self, console: Any, options: ConsoleOptions) -> Iterator[RenderableType]:
        longest = max((len(check.name) for check in self._checks.checks), default=0)
        room = options.max_width - longest - VERDICT - (TIME if self._timed else 0)
        yield self._table(beside=room >= ROOM)

    def _table(self, *, beside: bool) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=beside, overflow="fold")
        if self._timed:
            table.add_column(justify="right", no_wrap=True, style="dim")
        if beside:
            table.add_column(overflow="fold")
        result = self._checks
        for check in result.checks:
            name, detail = Text(check.name), Text(_detail(check))
            below = [detail] if beside else []
            shown = name if beside or not detail.plain else Group(name, Padding(detail, (0, 0, 0, 2)))
            table.add_row(_verdict(check.verdict), shown, *self._took(check.seconds), *below)
        totals = [f"{number} {name.replace('_', ' ')}" for name, number in result.counts.items()]
        last = [Text(", ".join(totals))] if beside else []
        table.add_row(_verdict(result.verdict), Text("verdict", "bold"), *self._took(result.seconds), *last)
        return table

    def _took(self, seconds: float | None) -> list[str]:
        return [duration(seconds) if seconds else ""] if self._timed else []


@renderable.register
def _exported(result: Exported) -> RenderableType:
    files = {"written": result.written, "replaced": result.replaced, "kept": result.kept}
    lines = [f"{word:<8} {name}" for word, names in files.items() for name in names]
    return Text("\n".join([*lines, f"in {result.directory}"]))


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict.value.replace("_", " "), STYLE[verdict])


def _detail(check: CheckResult) -> str:
    """The observed value; unless the check passed, also the expected one and the hint."""
    detail = f"{check.observed}" if check.observed is not None else ""
    if check.verdict in {Verdict.PASS, Verdict.NOT_CONFIGURED}:
        return detail.strip()
    if check.expected is not None:
        detail += f" (expected {check.expected})"
    return f"{detail}\n{check.hint}".strip() if check.hint else detail.strip()


def write(result: Any, stream: TextIO, *, no_color: bool = False) -> None:
    """Draw a result; colours only on a terminal, where enabled."""
    if module := _ELSEWHERE.get(getattr(result, "kind", "")):
        import_module(module)
    console = Console(stream, no_color=no_color)
    if console.is_terminal:
        console.print(renderable(result))
        return
    console.width = PLAIN_WIDTH
    with console.capture() as capture:
        console.print(renderable(result))
    stream.writelines(f"{line.rstrip()}\n" for line in capture.get().splitlines())  # tables pad their cells
