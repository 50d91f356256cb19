"""`cartctl sandbox up|down|status`: the embedded environment."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from cartctl.commands.options import Options

sandbox = typer.Typer(
    help="The embedded environment: PostgreSQL, the application, metrics.", no_args_is_help=True
)

Name = Annotated[str, typer.Option("--name", help="Which sandbox; several run side by side.")]


@sandbox.command("up")
def sandbox_up(ctx: typer.Context, name: Name = "default") -> None:
    """Start it, or mend what is not running of it."""
    from cartctl.sandbox.up import up

    options: Options = ctx.obj
    options.show(up(name, _saying(options)))


@sandbox.command("down")
def sandbox_down(
    ctx: typer.Context,
    name: Name = "default",
    purge: Annotated[bool, typer.Option("--purge", help="Remove everything it has kept, too.")] = False,
) -> None:
    """Stop it; its data stay unless purged."""
    from cartctl.sandbox.down import down

    options: Options = ctx.obj
    options.show(down(name, _saying(options), purge=purge))


@sandbox.command("status")
def sandbox_status(ctx: typer.Context, name: Name = "default") -> None:
    """Where everything is: addresses, files, deployments."""
    from cartctl.sandbox.status import read_status
    from cartctl.sandbox.up import checked_directory

    options: Options = ctx.obj
    checked_directory(name)
    options.show(read_status(name))


def _saying(options: Options) -> Callable[[str], None]:
    def say(line: str) -> None:
        if not options.quiet:
            sys.stderr.write(f"sandbox: {line}\n")

    return say
