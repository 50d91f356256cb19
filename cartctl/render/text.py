"""Results as text for people: a renderer per result type, registered on `renderable`, drawn on one console."""

from functools import singledispatch
from importlib import import_module
from typing import Any, TextIO

from rich.table import Table

from cartctl.engine.model import Checks, Verdict
from cartctl.render.drawing import Console, RenderableType, Text

STYLE = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "magenta"}
LONG_NAME = 56  # columns; beside a longer one, nothing would be left for what was seen
PLAIN_WIDTH = 120  # columns where there is no terminal to ask: files and pipes

_ELSEWHERE = {  # kind of result → the module that registers its renderer; loaded when it is shown
    "cart_job": "cartctl.render.cart_text",
    "cart_stats": "cartctl.render.cart_text",
    "config": "cartctl.render.config_text",
    "dry_run": "cartctl.render.migrate_text",
    "exported": "cartctl.render.migrate_text",
    "flag_list": "cartctl.render.rollout_text",
    "flags": "cartctl.render.rollout_text",
    "history": "cartctl.render.run_text",
    "index_plan": "cartctl.render.migrate_text",
    "indexes": "cartctl.render.migrate_text",
    "load": "cartctl.render.sandbox_text",
    "log": "cartctl.render.logs_text",
    "logs": "cartctl.render.logs_text",
    "migrated": "cartctl.render.migrate_text",
    "migration_plan": "cartctl.render.migrate_text",
    "migrations": "cartctl.render.migrations_text",
    "plan": "cartctl.render.plan_text",
    "pruned": "cartctl.render.restore_text",
    "put_back": "cartctl.render.restore_text",
    "preview": "cartctl.render.rollout_text",
    "quote": "cartctl.render.quote_text",
    "restore_plan": "cartctl.render.restore_text",
    "restored": "cartctl.render.restore_text",
    "rollback_plan": "cartctl.render.rollback_text",
    "rollout": "cartctl.render.rollout_text",
    "recovery_claim": "cartctl.render.cart_text",
    "run": "cartctl.render.run_text",
    "sandbox": "cartctl.render.sandbox_text",
    "seeded": "cartctl.render.sandbox_text",
    "snapshot": "cartctl.render.snapshot_text",
    "snapshots": "cartctl.render.snapshot_text",
    "tick": "cartctl.render.tick_text",
}


@singledispatch
def renderable(result: Any) -> RenderableType:
    """What rich draws for a result."""
    return Text(str(result))


@renderable.register
def _checks(result: Checks) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=all(len(check.name) <= LONG_NAME for check in result.checks), overflow="fold")
    table.add_column(overflow="fold")
    for check in result.checks:
        told = f"{check.observed}" if check.observed is not None else ""
        if check.verdict is not Verdict.PASS and check.expected is not None:
            told += f" (expected {check.expected})"
        if check.verdict is not Verdict.PASS and check.hint:
            told += f"\n{check.hint}"
        table.add_row(Text(check.verdict.value, STYLE[check.verdict]), Text(check.name), Text(told.strip()))
    table.add_row(Text(result.verdict.value, STYLE[result.verdict]), Text("verdict", "bold"), "")
    return table


def write(result: Any, stream: TextIO, *, no_color: bool = False) -> None:
    """Draw a result; colours only on a terminal, where they are wanted."""
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
