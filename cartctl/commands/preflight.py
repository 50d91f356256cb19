"""`cartctl preflight`: the checklist, without a deployment."""

from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError


def preflight(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Run only this check; may be repeated.")
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip",
            metavar="NAME",
            help="Skip a check, or one result by its printed name; requires --reason; may be repeated.",
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why checks are skipped; shown in the result."),
    ] = None,
    outside_window: Annotated[
        bool, typer.Option("--outside-window", help="Only warn outside the deployment window.")
    ] = False,
    force_owned: Annotated[
        bool,
        typer.Option(
            "--force-owned",
            help="Accept resources managed by Argo CD, Flux, Helm or KEDA, after you paused it.",
        ),
    ] = False,
) -> None:
    """Run the preflight checks; change nothing.

    Exit code 7 when a check fails, 6 when one could not be evaluated.

    Examples:
        cartctl preflight --env production
        cartctl preflight --env production --only database --only metrics
        cartctl preflight --env staging --skip signoff --reason "trial"
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
        raise UsageError("--skip requires --reason.", hint="Use --reason TEXT.")
    with (
        Ports(options.environment("database", "cluster", "http"), force_owned=force_owned) as ports,
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
        with interruptible(pulse, judging=True):
            checks = check.judge(pulse)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
