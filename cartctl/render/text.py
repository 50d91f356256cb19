"""Results as text for people: a renderer per result type, registered on `renderable`."""

from functools import singledispatch
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cartctl.engine.model import Checks, Verdict

STYLE = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "magenta"}


@singledispatch
def renderable(result: Any) -> RenderableType:
    """What rich draws for a result."""
    return Text(str(result))


@renderable.register
def _checks(result: Checks) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for check in result.checks:
        told = f"{check.observed}" if check.observed is not None else ""
        if check.verdict is not Verdict.PASS and check.expected is not None:
            told += f" (expected {check.expected})"
        if check.verdict is not Verdict.PASS and check.hint:
            told += f"\n{check.hint}"
        table.add_row(Text(check.verdict.value, STYLE[check.verdict]), Text(check.name), Text(told.strip()))
    table.add_row(Text(result.verdict.value, STYLE[result.verdict]), Text("verdict", "bold"), "")
    return table


def write(result: Any, stream: TextIO) -> None:
    """Draw a result; colours only on a terminal."""
    Console(file=stream, highlight=False, soft_wrap=False).print(renderable(result))
