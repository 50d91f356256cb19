"""`cartctl sandbox up|down|status|seed|load|break`: the embedded environment."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.commands.usage.watching import Watch, show_watched
from cartctl.errors import UsageError

sandbox = typer.Typer(help="Run a complete environment on this machine.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Option(
        "--name",
        help="Name of the sandbox; several can run side by side.",
        show_default="NAME of --env sandbox:NAME, else default",
    ),
]


class Breakable(StrEnum):
    """What `sandbox break` breaks: a part that it kills, or a table that it locks."""

    DATABASE = "database"
    CLUSTER = "cluster"
    PROMETHEUS = "prometheus"
    LOCK = "lock"


@sandbox.command("up")
def sandbox_up(ctx: typer.Context, name: Name = "") -> None:
    """Start the sandbox, or repair its stopped parts.

    PostgreSQL, the reference application with its workers, and Prometheus when it is installed.

    Examples:
        cartctl sandbox up
        cartctl sandbox up --name second
    """
    from cartctl.sandbox.up import up

    options: Options = ctx.obj
    options.show(up(_name(options, name), _saying(options)))


@sandbox.command("down")
def sandbox_down(
    ctx: typer.Context,
    name: Name = "",
    purge: Annotated[bool, typer.Option("--purge", help="Also remove its data.")] = False,
) -> None:
    """Stop the sandbox.

    Its data is kept unless --purge is given.

    Examples:
        cartctl sandbox down
        cartctl sandbox down --name second --purge
    """
    from cartctl.sandbox.down import down

    options: Options = ctx.obj
    options.show(down(_name(options, name), _saying(options), purge=purge))


@sandbox.command("status")
def sandbox_status(ctx: typer.Context, name: Name = "", watch: Watch = False) -> None:
    """Show the sandbox's addresses, files and deployments.

    Examples:
        cartctl sandbox status
        cartctl sandbox status --watch
    """
    from cartctl.sandbox.layout import checked_directory
    from cartctl.sandbox.status import read_status

    options: Options = ctx.obj
    name = _name(options, name)
    checked_directory(name)
    show_watched(options, lambda _: read_status(name), watch=watch)


@sandbox.command("seed")
def sandbox_seed(
    ctx: typer.Context,
    carts: Annotated[int, typer.Option("--carts", min=1, max=20_000_000, help="Number of carts.")] = 10_000,
    companies: Annotated[
        int,
        typer.Option(
            "--companies",
            min=1,
            max=9999,
            help="Number of companies; if there are many, the largest has 10 % of the carts.",
        ),
    ] = 40,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same data.")
    ] = 1,
    until: Annotated[
        datetime | None,
        typer.Option("--until", help="End of the data, in UTC.", show_default="the present hour"),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Remove existing carts first.")] = False,
    name: Name = "",
) -> None:
    """Fill the sandbox with realistic carts.

    Companies differ in size as on a real platform. The same seed and end give the same data. Batches are committed: the same
    command continues an interrupted seeding, and --replace starts over. Until it is finished, indexes are missing.

    Examples:
        cartctl sandbox seed
        cartctl sandbox seed --carts 100000 --companies 200 --replace
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.render.progress import shown
    from cartctl.sandbox.data.fill import fill, superuser

    options: Options = ctx.obj
    with shown("seed", quiet=options.quiet, no_color=options.no_color, lines=True) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            done = fill(
                superuser(_name(options, name)),
                carts=carts,
                count=companies,
                seed=seed,
                until=until and (until if until.tzinfo else until.replace(tzinfo=UTC)),
                replace=replace,
                pulse=pulse,
            )
    options.show(done)


@sandbox.command("load")
def sandbox_load(
    ctx: typer.Context,
    rps: Annotated[float, typer.Option("--rps", min=0.1, max=5000, help="Requests per second.")] = 20.0,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long to send requests, for example 90s.")
    ] = "30s",
    name: Name = "",
) -> None:
    """Send shopper and admin requests to the sandbox.

    Reports the error rate and percentiles of the latency. Ctrl-C ends it early, with the report so far.

    Examples:
        cartctl sandbox load
        cartctl sandbox load --rps 100 --for 5m
    """
    from cartctl.config.values import duration_option
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.render.progress import shown
    from cartctl.sandbox.load import load

    options: Options = ctx.obj
    seconds = duration_option("--for", duration).total_seconds()
    with shown("load", quiet=options.quiet, no_color=options.no_color) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            done = load(_name(options, name), rps=rps, seconds=seconds, pulse=pulse)
    options.show(done)
    raise typer.Exit(pulse.cause.exit_code if pulse.cause else 0)


@sandbox.command("break")
def sandbox_break(
    ctx: typer.Context,
    part: Annotated[Breakable, typer.Argument(help="Part to break.", show_default=False)],
    duration: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="With lock: how long to hold it [default: until Ctrl-C]."
        ),
    ] = None,
    name: Name = "",
) -> None:
    """Break a part of the sandbox to practise an incident.

    Kills the database, the cluster's API server or Prometheus, or locks the table companies as a forgotten transaction does.
    cartctl sandbox up repairs what was killed.

    Examples:
        cartctl sandbox break database
        cartctl sandbox break lock --for 2m
    """
    from cartctl.sandbox.outage import break_part

    options: Options = ctx.obj
    name = _name(options, name)
    if part is Breakable.LOCK:
        _hold_lock(options, name, duration)
        return
    if duration is not None:
        raise UsageError("--for goes with lock alone.", hint="A killed part stays down until sandbox up.")
    options.show(break_part(name, part.value))


def _hold_lock(options: Options, name: str, duration: str | None) -> None:
    from cartctl.config.values import duration_option
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.sandbox.outage import hold_lock

    seconds = duration_option("--for", duration).total_seconds() if duration is not None else None
    pulse = Pulse()
    with interruptible(pulse):
        hold_lock(name, seconds, pulse, options.say)


def _name(options: Options, name: str) -> str:
    """The sandbox named by `--name` or, as with every other command, by `--env sandbox:NAME`."""
    kind, _, other = (options.env or "").partition(":")
    if kind != "sandbox" or not other:
        return name or "default"
    if name and name != other:
        raise UsageError(
            f"--name {name} and --env {options.env} name different sandboxes.", hint="Use one of them."
        )
    return other


def _saying(options: Options) -> Callable[[str], None]:
    def say(line: str) -> None:
        if not options.quiet:
            sys.stderr.write(f"sandbox: {line}\n")

    return say
