"""`cartctl history`: the environment's runs, newest first."""

from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.commands.usage.watching import Watch, show_watched


def history(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of runs.")] = 20,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only runs started then or later: a duration ago (7d) or a time (2026-12-01, UTC).",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="Only runs started before: a duration ago or a time; a date includes its day.",
        ),
    ] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome", metavar="OUTCOME", help="Only runs with this outcome, or running; may be repeated."
        ),
    ] = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            "--plan", metavar="PLAN", help="Only runs of this plan, such as deploy; may be repeated."
        ),
    ] = None,
    watch: Watch = False,
) -> None:
    """List the environment's runs, newest first.

    A run that holds the lock is shown as running. Needs no access to the cluster.

    Examples:
        cartctl history --env production --since 30d --outcome rolled_back
        cartctl history --env production --plan deploy --limit 5 -o json
        cartctl history --env production --limit 3 --watch
    """
    from cartctl.plans.reports.history import parse_filter, read_history
    from cartctl.ports import Ports

    options: Options = ctx.obj
    selected = parse_filter(since=since, until=until, outcomes=outcome or (), plans=plan or ())
    with Ports(options.environment("database")) as ports:
        show_watched(options, lambda _: read_history(ports, selected, limit), watch=watch)
