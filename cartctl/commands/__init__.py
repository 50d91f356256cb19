"""One file per noun of the command line; only typer and the standard library at the top of each, so that --help is quick."""

from collections.abc import Callable
from typing import Any

import typer

from cartctl.commands.config import config
from cartctl.commands.monitor import monitor
from cartctl.commands.preflight import preflight
from cartctl.commands.sandbox import sandbox
from cartctl.commands.smoke import health, smoke
from cartctl.commands.snapshot import snapshot

COMMANDS: dict[str, Callable[..., Any]] = {
    "health": health,
    "monitor": monitor,
    "preflight": preflight,
    "smoke": smoke,
}

GROUPS: dict[str, typer.Typer] = {
    "config": config,
    "sandbox": sandbox,
    "snapshot": snapshot,
}
