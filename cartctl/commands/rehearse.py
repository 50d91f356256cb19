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
            help="Server for the copy [default: a temporary local server].",
        ),
    ] = None,
    with_data: Annotated[
        str | None,
        typer.Option(
            "--with-data",
            metavar="SNAPSHOT",
            help="Start from this snapshot instead of the schema without rows.",
        ),
    ] = None,
) -> None:
    """Rehearse the migration and its rollback on a copy.

    Migrates, verifies, rolls back, compares the catalogue and migrates again. Exit code 7 for a problem that would stop the real
    migration, 6 when the rehearsal could not run.

    Examples:
        cartctl rehearse --env production
        cartctl rehearse --env production --with-data 20261122-114320-51eb
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.database.rehearse import rehearse as attempt
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    options: Options = ctx.obj
    env = options.environment("database")
    with Ports(env) as ports, shown("rehearse", quiet=options.quiet) as progress:
        pulse = Pulse(progress=progress)
        with interruptible(pulse, judging=True):
            checks = attempt(ports, pulse, server=server, with_data=with_data)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
