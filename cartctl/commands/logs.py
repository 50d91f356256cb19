"""`cartctl logs`: the application's errors from every replica's log."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.options import Options, Output
from cartctl.errors import ConfigError

if TYPE_CHECKING:
    from cartctl.monitoring.logs import Hit, LogSummary

EVERY = 1.0  # seconds between two readings


def logs(
    ctx: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep reading as lines are written.")
    ] = False,
    since: Annotated[str, typer.Option("--since", metavar="DURATION", help="How far back to start.")] = "10m",
    every_line: Annotated[bool, typer.Option("--all", help="Show every line, not only matches.")] = False,
    selector: Annotated[
        str | None,
        typer.Option(
            "--selector", "-l", metavar="LABELS", help="Label selector of the pods [default: logs.selector]."
        ),
    ] = None,
) -> None:
    """Show the cart's errors from the logs of all replicas.

    Matches are lines with an error level that mention the cart, and errors of the database client (logs.patterns, logs.always); a
    stack trace counts once, on its first line. For restarted containers, the previous log is read as well. Ends with the number of
    matches per minute and groups of similar messages. With -o json, writes one object per line.

    Examples:
        cartctl logs --env production --since 1h
        cartctl logs --env production --follow
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.errors import Interrupted
    from cartctl.monitoring.logs import LogRules, Tally
    from cartctl.ports import Ports

    options: Options = ctx.obj
    seconds, pulse = _seconds(since), Pulse()
    with Ports(options.environment()) as ports, interruptible(pulse):
        tail = ports.log_tail(since=seconds, selector=selector)
        if tail is None:
            raise ConfigError(
                f"The environment {ports.env.name} has no logs configured.",
                hint='Set logs.selector, for example "app=payment-api", or logs.command, or use --selector.',
            )
        tally, code = Tally(LogRules.of(ports.env.logs)), 0
        try:
            while True:
                for hit in tally.take(tail.read()):
                    if every_line or hit.pattern:
                        _show(hit, options)
                if not follow:
                    break
                pulse.pause(EVERY)
        except Interrupted as stop:
            code = stop.exit_code  # the way that following ends
        _show(tally.summary(), options)
    raise typer.Exit(code)


def _show(line: "Hit | LogSummary", options: Options) -> None:
    if options.output is Output.JSON:
        from cartctl.render.json import write_line

        write_line(line, sys.stdout)
    else:
        options.show(line)


def _seconds(text: str) -> float:
    from cartctl.config.values import duration_option

    return duration_option("--since", text).total_seconds()
