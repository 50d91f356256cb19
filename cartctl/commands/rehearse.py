"""`cartctl rehearse`: the migration and its way back, tried on a copy."""

from typing import Annotated

import typer

from cartctl.commands.options import Options


def rehearse(
    ctx: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(
            "--server",
            metavar="DSN",
            envvar="CARTCTL_SCRATCH_DSN",
            help="Try it there [default: a server of its own, for a while].",
        ),
    ] = None,
    with_data: Annotated[
        str | None,
        typer.Option(
            "--with-data", metavar="SNAPSHOT", help="Begin from a snapshot instead of the bare schema."
        ),
    ] = None,
) -> None:
    """Try the migration and its way back on a copy.

    Migrate and verify, roll back, compare the catalogue, migrate again. Exit code 7 for what would stop the real one, 6
    when it could not be tried.
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.database.rehearse import rehearse as attempt
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    options: Options = ctx.obj
    env = options.environment()
    with Ports(env) as ports, shown("rehearse", quiet=options.quiet) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            checks = attempt(ports, pulse, server=server, with_data=with_data)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
