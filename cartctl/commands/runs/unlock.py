"""`cartctl unlock`: who holds the run lock, and releasing a stuck one."""

from typing import Annotated

import typer

from cartctl.commands.options import Options


def unlock(
    ctx: typer.Context,
    force: Annotated[
        bool,
        typer.Option("--force", help="Terminate the holder's database connection; recorded in the journal."),
    ] = False,
) -> None:
    """Show who holds the lock, or release it.

    The lock of a crashed run is released automatically within seconds; use --force only for a stuck run.

    Examples:
        cartctl unlock --env production
        cartctl unlock --env production --force
    """
    from cartctl.plans.execution.unlock import unlock as free
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database")) as ports:
        result = free(ports, force=force)
    options.conclude(result, str(result))
