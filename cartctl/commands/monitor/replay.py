"""`cartctl monitor --replay`: what the monitor would have done."""

import typer

from cartctl.commands.options import Options
from cartctl.errors import CheckFailed, Inconclusive, UsageError


def show_replay(options: Options, source: str | None, thresholds: list[str], *, auto_abort: bool) -> None:
    """Show what the monitor would have done. Exit code 7 if a trigger would have fired, 6 if it would have been blind."""
    from cartctl.plans.execution.run_replay import run_replay
    from cartctl.ports import Ports

    if source is None or auto_abort:
        raise UsageError(
            "--threshold requires --replay, and --auto-abort excludes it.", hint="Remove one of them."
        )
    critical = dict(each.partition("=")[::2] for each in thresholds)
    with Ports(options.environment()) as ports:
        result = run_replay(ports, source, critical)
    options.show(result)
    if result.fired:
        raise typer.Exit(CheckFailed.exit_code)
    if result.is_blind:
        raise typer.Exit(Inconclusive.exit_code)
