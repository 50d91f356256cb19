"""One file per noun of the command line; only typer and the standard library at the top of each, so that --help is quick."""

from collections.abc import Callable
from typing import Any

import typer

from cartctl.commands.config import config
from cartctl.commands.sandbox import sandbox

COMMANDS: dict[str, Callable[..., Any]] = {}

GROUPS: dict[str, typer.Typer] = {
    "config": config,
    "sandbox": sandbox,
}
