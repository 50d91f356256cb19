"""`cartctl rollback`: roll back the code and, if requested, the database."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl.commands.options import Options, ReportFile
from cartctl.errors import UsageError


def rollback(
    ctx: typer.Context,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="ID", help="Run to roll back [default: the latest that changed something]."
        ),
    ] = None,
    database: Annotated[
        bool, typer.Option("--database", help="Also drop the cart's tables and types.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    allow_data_loss: Annotated[
        bool,
        typer.Option(
            "--allow-data-loss",
            help="With --database: also drop tables that contain rows; the rows are saved.",
        ),
    ] = False,
    application_stopped: Annotated[
        bool,
        typer.Option(
            "--application-stopped",
            help="With --database: confirm that the application is stopped, if http.api is not configured or does not respond.",
        ),
    ] = False,
    keep_dependents: Annotated[
        bool,
        typer.Option("--keep-dependents", help="With --database: keep types that other objects still use."),
    ] = False,
    keep_labels: Annotated[
        bool,
        typer.Option(
            "--keep-labels",
            help="With --database: keep labels that the application's migration added to other enums.",
        ),
    ] = False,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal", metavar="FILE", help="Roll back from a copy of the run's local journal, code only."
        ),
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Terminate the connection of a run that does not stop."),
    ] = False,
    to_revision: Annotated[
        list[str] | None,
        typer.Option(
            "--to-revision",
            metavar="DEPLOYMENT=N",
            help="Only revert this Deployment, released by another tool, to this revision; may be repeated.",
        ),
    ] = None,
    force_owned: Annotated[
        bool,
        typer.Option("--force-owned", help="Also change resources managed by Argo CD, Flux, Helm or KEDA."),
    ] = False,
    report: ReportFile = None,
) -> None:
    """Roll back the latest deployment.

    Stops the workers, sets the feature flags to 0 %, reverts the images, verifies the previous version and starts the workers.
    Also works when the database is lost. A deployment that is already rolled back is refused with exit code 3. With --database and
    no cluster configured, only the database is rolled back.

    Examples:
        cartctl rollback --env production --plan
        cartctl rollback --env production --yes
        cartctl rollback --env production --database --allow-data-loss
    """
    from cartctl.plans.rollback.plan import RollbackOptions
    from cartctl.plans.rollback.run import preview_rollback, roll_back
    from cartctl.ports import Ports

    options: Options = ctx.obj
    options.check_report(report, runs=not plan)
    loss = allow_data_loss or not yes  # typing the database's name agrees to it as well
    request = RollbackOptions(
        run, database, loss, keep_dependents, keep_labels, take_over, journal, application_stopped
    )
    if to_revision:
        if any((run, database, journal)):
            raise UsageError("--to-revision excludes --run, --database and --journal.", hint="Remove them.")
        return _to_revision(options, to_revision, plan=plan, yes=yes, force_owned=force_owned)
    sections = ("database",) if database else ("database", "cluster", "http")
    with Ports(options.environment(*sections), force_owned=force_owned) as ports:
        shown = preview_rollback(ports, request, only_shown=plan)
        if plan:
            options.show(shown)
            return options.guard_shown(lambda: shown.refuse_unfit(allow_data_loss=loss))
        shown.refuse_unfit(allow_data_loss=loss)
        if shown.database and not yes:
            name = shown.database.database_name
            options.confirm_by_typing(
                f"Roll back {shown} and drop the cart's tables ({shown.rows} rows) of the database {name}?",
                name,
            )
        else:
            options.confirm(f"Roll back {shown} in {ports.env.name}?", yes=yes)
        with options.report_written(ports, report) as watched, options.view() as view:
            ended = roll_back(ports, request, watched(view), options.say)
    raise typer.Exit(ended.exit_code)


def _to_revision(options: Options, given: list[str], *, plan: bool, yes: bool, force_owned: bool) -> None:
    from cartctl.plans.rollback.to_revision import parse_revisions, preview_revisions, roll_back_to
    from cartctl.ports import Ports

    revisions = parse_revisions(given)
    with Ports(options.environment("database", "cluster", "http"), force_owned=force_owned) as ports:
        shown = preview_revisions(ports, revisions)
        if plan:
            options.show(shown)
            return options.guard_shown(shown.refuse_blocked)
        shown.refuse_blocked()
        options.confirm(f"Revert {', '.join(given)} in {ports.env.name}?", yes=yes)
        with options.view() as view:
            report = roll_back_to(ports, revisions, view)
    raise typer.Exit(report.exit_code)
