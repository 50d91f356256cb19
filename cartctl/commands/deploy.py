"""`cartctl deploy`: the whole plan, for real."""

from typing import Annotated

import typer

from cartctl.commands.options import (
    At,
    ForceOwned,
    Image,
    MonitorFor,
    NoAutoRollback,
    Options,
    OutsideWindow,
    Reason,
    ReportFile,
    RestoreCarts,
    Skip,
)
from cartctl.errors import UsageError


def deploy(
    ctx: typer.Context,
    image: Image = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and change nothing.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run that was interrupted or crashed.")
    ] = False,
    abandon: Annotated[
        str | None,
        typer.Option(
            "--abandon", metavar="RUN", help="Mark an unfinished run as abandoned; change nothing else."
        ),
    ] = None,
    at: At = None,
    skip: Skip = None,
    reason: Reason = None,
    monitor_for: MonitorFor = None,
    no_auto_rollback: NoAutoRollback = False,
    outside_window: OutsideWindow = False,
    force_owned: ForceOwned = False,
    restore_carts: RestoreCarts = None,
    report: ReportFile = None,
) -> None:
    """Deploy the cart; roll back automatically when a step fails.

    Takes a snapshot, migrates the database, releases the images, runs the smoke tests and monitors the result. Each step is
    journalled before it acts, so that an interrupted run can be resumed.

    With -o json, writes one event per line; the last line is the run's report.

    Examples:
        cartctl deploy --env sandbox --yes
        cartctl deploy --env production --image payment-api=2.1.0 --plan
        cartctl deploy --env production --resume
    """
    from cartctl.plans.deploy import deploy_options
    from cartctl.plans.deploy import run as deploying
    from cartctl.plans.deploy.confirmation import expected_downtime, question
    from cartctl.plans.deploy.preview import preview_deployment
    from cartctl.ports import Ports

    if sum((plan, resume, abandon is not None)) > 1:
        raise UsageError("--plan, --resume and --abandon exclude each other.", hint="Use one of them.")
    options: Options = ctx.obj
    options.check_report(report, runs=not (plan or abandon))
    requested = deploy_options.parse(
        images=image or (),
        at=at,
        skip=skip or (),
        monitor_for=monitor_for,
        outside_window=outside_window,
        auto_rollback=not no_auto_rollback,
        restore_carts=restore_carts,
        reason=reason,
        force_owned=force_owned,
    )
    sections = ("database",) if abandon else ("database", "cluster", "http")
    load = options.environment if plan or abandon else options.environment_started
    env = load(*sections)
    with Ports(env, force_owned=force_owned) as ports:
        if plan:
            shown = preview_deployment(ports, requested)
            options.show(shown)
            return options.guard_shown(shown.refuse_blocked)
        if abandon:
            deploying.abandon(ports, abandon)
            return options.say(f"Marked run {abandon} as abandoned; nothing else was changed.")
        if not resume:
            deploy_options.require_reason(requested)
            downtime = "" if yes else expected_downtime(ports)  # nobody is asked with --yes
            options.confirm(question(env, requested, downtime), yes=yes)
        with options.report_written(ports, report) as watched, options.view() as view:
            own = watched(view)
            ended = deploying.resume(ports, own) if resume else deploying.deploy(ports, requested, own)
    raise typer.Exit(ended.exit_code)


def plan(
    ctx: typer.Context,
    image: Image = None,
    at: At = None,
    skip: Skip = None,
    reason: Reason = None,
    monitor_for: MonitorFor = None,
    no_auto_rollback: NoAutoRollback = False,
    outside_window: OutsideWindow = False,
    force_owned: ForceOwned = False,
    restore_carts: RestoreCarts = None,
) -> None:
    """Show the plan of a deployment; change nothing.

    Lists each step with what would change, and what the deployment is expected to take: the time of each phase, the downtime,
    the locks of its migrations, and what no rollback reverts. Expectations come from earlier deployments and
    rehearsals of the environment. Takes the options of `deploy` that shape its plan.

    Examples:
        cartctl plan --env production
        cartctl plan --env production --image payment-api=2.1.0
        cartctl plan --env production -o json
    """
    from cartctl.plans.deploy.deploy_options import parse
    from cartctl.plans.deploy.preview import preview_deployment
    from cartctl.ports import Ports

    options: Options = ctx.obj
    requested = parse(
        images=image or (),
        at=at,
        skip=skip or (),
        monitor_for=monitor_for,
        outside_window=outside_window,
        auto_rollback=not no_auto_rollback,
        restore_carts=restore_carts,
        reason=reason,
        force_owned=force_owned,
    )
    with Ports(options.environment("database", "cluster", "http"), force_owned=force_owned) as ports:
        options.show(preview_deployment(ports, requested))
