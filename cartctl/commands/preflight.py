"""`cartctl preflight`: the checklist, without a deployment."""

from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError


def preflight(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Look at this alone; may be repeated.")
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip",
            metavar="NAME",
            help="Skip a check, or one result by the name that is printed; needs --reason; may be repeated.",
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why checks are left out; it is shown.")
    ] = None,
    outside_window: Annotated[
        bool, typer.Option("--outside-window", help="Only warn outside the environment's window.")
    ] = False,
    force_owned: Annotated[
        bool,
        typer.Option(
            "--force-owned",
            help="Accept deployments that Argo CD, Flux, Helm or KEDA manages: you have paused it.",
        ),
    ] = False,
) -> None:
    """Look at everything a deployment stands on; changes nothing.

    Exit code 7 when something is not as it should be, 6 when something could not be found out.
    """
    from cartctl.checks.preflight import Preflight
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.database.rehearse import rehearsed
    from cartctl.plans.deploy.migration_status import pending
    from cartctl.plans.rollout.record import began_with
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    options: Options = ctx.obj
    if skip and not reason:
        raise UsageError("--skip needs a reason.", hint="--reason TEXT: why the check may be left out.")
    with (
        Ports(options.environment(), force_owned=force_owned) as ports,
        shown("preflight", quiet=options.quiet) as progress,
    ):
        check = Preflight(
            ports,
            lambda: pending(ports),
            only=tuple(only or ()),
            skip=dict.fromkeys(skip or (), reason or ""),
            outside_window=outside_window,
            rehearsed=lambda: rehearsed(ports),
            rollout=lambda: began_with(ports),
        )
        pulse = Pulse(progress=progress)
        with interruptible(pulse):
            checks = check.judge(pulse)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
