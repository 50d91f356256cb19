"""`cartctl monitor`: watch an environment, or export what would be watched."""

import typer

from cartctl.commands.monitor.export import export
from cartctl.commands.monitor.watch import watch_environment

monitor = typer.Typer(invoke_without_command=True)
monitor.callback()(watch_environment)
monitor.command()(export)
