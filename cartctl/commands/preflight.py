"""`cartctl preflight`: the checklist, without a deployment."""

from typing import Annotated

import typer

from cartctl.commands.options import ForceOwned, Image, Options, OutsideWindow
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
    image: Image = None,
    outside_window: OutsideWindow = False,
    force_owned: ForceOwned = False,
) -> None:
    """Run the preflight checks; change nothing.

    Exit code 7 when a check fails, 6 when one could not be evaluated.

    Examples:
        cartctl preflight --env production
        cartctl preflight --env production --only database --only metrics
        cartctl preflight --env staging --skip proof --reason "first deployment"
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.deploy.deploy_options import DeployOptions, parse_images
    from cartctl.plans.deploy.preflight import preflight as prepare
    from cartctl.ports import Ports
    from cartctl.render.progress import shown

    options: Options = ctx.obj
    if skip and not reason:
        raise UsageError("--skip requires --reason.", hint="Use --reason TEXT.")
    requested = DeployOptions(images=parse_images(image or ()), outside_window=outside_window)
    with (
        Ports(options.environment("database", "cluster", "http"), force_owned=force_owned) as ports,
        shown("preflight", quiet=options.quiet) as progress,
    ):
        skipped = dict.fromkeys(skip or (), reason or "")
        check = prepare(ports, requested, only=tuple(only or ()), skip=skipped, follows=False)
        pulse = Pulse(progress=progress)
        with interruptible(pulse, judging=True):
            checks = check.judge(pulse)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
