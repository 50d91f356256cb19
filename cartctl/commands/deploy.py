"""`cartctl deploy`: the whole plan, for real."""

from datetime import datetime
from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError


def deploy(
    ctx: typer.Context,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="DEPLOYMENT=REF", help="Release this image; may be repeated."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and change nothing.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that stopped or died.")
    ] = False,
    abandon: Annotated[
        str | None, typer.Option("--abandon", metavar="RUN", help="Give an unfinished run up as it is.")
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option("--at", metavar="TIME", help="Prepare 60 minutes before, migrate at this time (UTC)."),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip", metavar="STEP", help="Leave a step out, or a look: preflight.NAME; may be repeated."
        ),
    ] = None,
    monitor_for: Annotated[
        str | None,
        typer.Option("--monitor-for", metavar="DURATION", help="How long to watch, for example 30m."),
    ] = None,
    no_auto_rollback: Annotated[
        bool, typer.Option("--no-auto-rollback", help="Leave the code as it is when a step fails.")
    ] = False,
    outside_window: Annotated[
        bool, typer.Option("--outside-window", help="Deploy outside the environment's window.")
    ] = False,
    force_owned: Annotated[
        bool, typer.Option("--force-owned", help="Also what Argo CD, Flux, Helm or KEDA keeps.")
    ] = False,
    restore_carts: Annotated[
        str | None,
        typer.Option(
            "--restore-carts",
            metavar="SNAPSHOT",
            help="Restore rows: a rollback's run or directory, or a snapshot.",
        ),
    ] = None,
) -> None:
    """Deploy the cart; rolls itself back when a step fails.

    Snapshot, migration, maintenance, releases, verification and monitoring, each step journalled before it acts.

    With -o json one event per line, the last is the run's report.
    """
    from cartctl.plans.deploy import deploy_options
    from cartctl.plans.deploy import run as deploying
    from cartctl.plans.execution.preview import preview
    from cartctl.plans.execution.run_monitor import new_watch
    from cartctl.ports import Ports

    if sum((plan, resume, abandon is not None)) > 1:
        raise UsageError("--plan, --resume and --abandon exclude each other.", hint="Give one of them.")
    options: Options = ctx.obj
    wanted = deploy_options.parse(
        images=image or (),
        at=at,
        skip=skip or (),
        monitor_for=monitor_for,
        outside_window=outside_window,
        auto_rollback=not no_auto_rollback,
        restore_carts=restore_carts,
        force_owned=force_owned,
    )
    env = options.environment() if plan or abandon else options.environment_started()
    with Ports(env, force_owned=force_owned) as ports:
        if plan:
            shown = preview("deploy", env.name, deploying.planned(ports, wanted, new_watch(ports)))
            options.show(shown)
            return options.guard_shown(shown.refuse_blocked)
        if abandon:
            return deploying.abandon(ports, abandon)
        if not resume:
            options.confirm(f"Deploy to {env.name}?", yes=yes)
        with options.view() as view:
            report = deploying.resume(ports, view) if resume else deploying.deploy(ports, wanted, view)
    raise typer.Exit(report.exit_code)


def plan(ctx: typer.Context) -> None:
    """Show the plan of a deployment.

    Each step with its time, what is already so and what would change.
    """
    from cartctl.plans.deploy.deploy_options import Asked
    from cartctl.plans.deploy.run import planned
    from cartctl.plans.execution.preview import preview
    from cartctl.plans.execution.run_monitor import new_watch
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports:
        options.show(preview("deploy", ports.env.name, planned(ports, Asked(), new_watch(ports))))
