"""A configuration as text: sections with their values and where each comes from."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from rich.table import Table

from cartctl.config.shown import ConfigShown, Setting
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import renderable

WIDEST = 30  # columns of a key or a value, so that both and the line number fit into 80
_TOP = ""  # settings outside every section


@renderable.register
def config(result: ConfigShown) -> RenderableType:
    """Environment and file, then a table per section; defaults are dim, so that configured values stand out."""
    parts: list[RenderableType] = [
        Text.assemble(("environment  ", "dim"), (result.environment, "bold")),
        Text.assemble(("file         ", "dim"), result.file),
    ]
    settings = sorted(result.settings, key=lambda setting: _section(setting) != _TOP)
    widths = _width(setting.key for setting in settings), _width(setting.text for setting in settings)
    for section, group in groupby(settings, key=_section):
        parts += [
            Text(),
            *([Text(f"[{section}]", "bold")] if section else []),
            _table(list(group), section, widths, result.file),
        ]
    return Group(*parts)


def _width(texts: Iterable[str]) -> int:
    """Wide enough for all but the odd long one, which wraps."""
    return min(max(len(text) for text in texts), WIDEST)


def _section(setting: Setting) -> str:
    section, dot, _ = setting.key.partition(".")
    return section if dot else _TOP


def _table(settings: list[Setting], section: str, widths: tuple[int, int], file: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for width in widths:
        table.add_column(overflow="fold", width=width)
    table.add_column(no_wrap=True)
    for setting in settings:
        style = "dim" if setting.origin == "default" else ""
        key = setting.key.removeprefix(f"{section}.") if section else setting.key
        origin = setting.origin.replace(file, Path(file).name)  # the whole path is at the top
        table.add_row(Text(key, style), Text(setting.text, style), Text(origin, "dim"))
    return table
