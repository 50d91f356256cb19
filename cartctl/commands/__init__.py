"""One file per noun of the command line; only typer and the standard library at the top of each, so that --help is quick."""

from collections.abc import Callable
from typing import Any

import typer

from cartctl.commands.cart.jobs import CART_JOBS
from cartctl.commands.cart.quote import cart
from cartctl.commands.config import config
from cartctl.commands.deploy import deploy, plan
from cartctl.commands.flags import flags
from cartctl.commands.history import history, report, unlock
from cartctl.commands.logs import logs
from cartctl.commands.migrate import migrate
from cartctl.commands.monitor import monitor
from cartctl.commands.preflight import preflight
from cartctl.commands.rehearse import rehearse
from cartctl.commands.rollback import rollback
from cartctl.commands.rollout import rollout
from cartctl.commands.sandbox import sandbox
from cartctl.commands.smoke import health, smoke
from cartctl.commands.snapshot import snapshot

COMMANDS: dict[str, Callable[..., Any]] = {
    "deploy": deploy,
    "rollback": rollback,
    "plan": plan,
    "rehearse": rehearse,
    "preflight": preflight,
    "health": health,
    "smoke": smoke,
    "monitor": monitor,
    "logs": logs,
    "history": history,
    "report": report,
    "unlock": unlock,
}

GROUPS: dict[str, typer.Typer] = {
    "cart": cart,
    "config": config,
    "flags": flags,
    "migrate": migrate,
    "rollout": rollout,
    "sandbox": sandbox,
    "snapshot": snapshot,
}

for _name, _job in CART_JOBS.items():
    cart.command(_name)(_job)
