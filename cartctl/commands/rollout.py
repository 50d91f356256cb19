"""`cartctl rollout`: the twenty days, stage by stage."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.options import Options
from cartctl.commands.usage.watching import Watch, show_watched
from cartctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from cartctl.engine.pulse import Pulse

rollout = typer.Typer(no_args_is_help=True, help="Enable the feature over twenty days, company by company.")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Why = Annotated[str, typer.Option("--why", help="Reason, recorded in the history.")]


@rollout.command("status")
def rollout_status(
    ctx: typer.Context,
    gates: Annotated[
        bool, typer.Option("--gates/--no-gates", help="Also evaluate the gates, which takes seconds.")
    ] = True,
    watch: Watch = False,
) -> None:
    """Show the rollout's stage, schedule, gates and history.

    Examples:
        cartctl rollout status --env production
        cartctl rollout status --env production --no-gates --watch
    """
    from cartctl.plans.rollout.inputs import open_inputs
    from cartctl.plans.rollout.status import status
    from cartctl.ports import Ports

    options: Options = ctx.obj
    env = options.environment("database")

    def read(pulse: "Pulse") -> object:
        with Ports(env) as ports, open_inputs(ports, read_only=True) as state:
            return status(state, pulse, gates=gates)

    show_watched(options, read, watch=watch)


@rollout.command("preview")
def rollout_preview(ctx: typer.Context) -> None:
    """Preview which companies each stage adds.

    Compares both allocations. Exit code 7 when a company would lose the feature.

    Examples:
        cartctl rollout preview --env production
    """
    from cartctl.plans.rollout.inputs import open_inputs
    from cartctl.plans.rollout.status import preview_all
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database")) as ports, open_inputs(ports, read_only=True) as state:
        shown = preview_all(state)
    options.show(shown)
    if shown.removed:
        raise CheckFailed(
            f"{shown.removed} companies would lose the feature.",
            hint="List them: cartctl rollout preview -o json",
        )


@rollout.command("start")
def start_rollout(
    ctx: typer.Context,
    date: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="Date of day 0 [default: rollout.start].",
        ),
    ] = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Start the rollout, enabled for internal companies only.

    Records the seed and the allocation, so that no company is enabled and then disabled again.

    Examples:
        cartctl rollout start --env production
        cartctl rollout start --env production --date 2026-12-01 --yes
    """
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.operations import start
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database", "cluster", "http")) as ports:
        options.confirm(
            f"Start the rollout of {ports.env.name}, off for all but internal companies?", yes=yes
        )
        with options.view() as view:
            report = start(ports, date.date() if date else None, RolloutOptions(why), view)
    raise typer.Exit(report.exit_code if report else 0)


@rollout.command("advance")
def advance_rollout(
    ctx: typer.Context,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto", help="Enter the stage if it is due, else say why not; abort if a trigger has fired."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Ignore schedule and gates; requires --why.")
    ] = False,
    approved_by: Annotated[
        str, typer.Option("--approved-by", metavar="NAME", help="Who approved, for a stage with a sign-off.")
    ] = "",
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Enter the next stage when it is due.

    Its gates must pass. Safe to run twice and from two places. Exit code 3 when nothing is due (0 with --auto), 7 or 6 when a
    gate blocks the stage.

    Examples:
        cartctl rollout advance --env production
        cartctl rollout advance --env production --auto
        cartctl rollout advance --env staging --force --why "test run"
    """
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.inputs import open_inputs
    from cartctl.plans.rollout.operations import RolloutUnchanged, advance, advance_automatically, next_stage
    from cartctl.ports import Ports

    if auto and (force or approved_by):
        raise UsageError("--auto excludes --force and --approved-by.", hint="Use one of them.")
    if force and not why:
        raise UsageError("--force requires --why.", hint="Use --why TEXT; it is recorded.")
    options: Options = ctx.obj
    with Ports(options.environment("database", "cluster", "http")) as ports:
        if auto:
            reasons: list[str] = []
            with options.view() as view:
                report = advance_automatically(ports, view, reasons.append)
            if report is None:
                options.conclude(RolloutUnchanged(" ".join(reasons)), " ".join(reasons))
            raise typer.Exit(report.exit_code if report else 0)
        with open_inputs(ports) as state:
            index = next_stage(state, force=force)
            name = state.stages[index].name
        options.confirm(f"Enter the stage {name} in {ports.env.name}?", yes=yes)
        with options.view() as view:
            report = advance(ports, RolloutOptions(why, force, approved_by), view, expected=index)
    raise typer.Exit(report.exit_code if report else 0)


@rollout.command("hold")
def hold_rollout(ctx: typer.Context, why: Why = "") -> None:
    """Hold the rollout at its stage until it is resumed.

    Examples:
        cartctl rollout hold --env production --why "holiday sale"
    """
    _say(ctx, "hold", why)


@rollout.command("resume")
def resume_rollout(ctx: typer.Context, why: Why = "") -> None:
    """Resume a rollout that is on hold.

    Examples:
        cartctl rollout resume --env production
    """
    _say(ctx, "resume", why)


def _say(ctx: typer.Context, action: str, why: str) -> None:
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.operations import say
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database", "cluster", "http")) as ports, options.view() as view:
        report = say(ports, action, RolloutOptions(why), view)
    raise typer.Exit(report.exit_code if report else 0)


@rollout.command("abort")
def abort_rollout(ctx: typer.Context, why: Why = "", yes: Yes = False) -> None:
    """Abort the rollout and set it to 0 %.

    One write, confirmed by every replica. A running deployment hands over to it, and the database is not needed.

    Examples:
        cartctl rollout abort --env production --why "checkout fails"
    """
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.run import abort
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database", "cluster", "http")) as ports:
        options.confirm(f"Abort the rollout of {ports.env.name} and return to 0 %?", yes=yes)
        with options.view() as view:
            report = abort(ports, RolloutOptions(why), view, options.say)
    raise typer.Exit(report.exit_code)


@rollout.command("set")
def set_rollout(
    ctx: typer.Context,
    percent: Annotated[
        str, typer.Option("--percent", metavar="N", help="Percentage of all companies, 0 to 100.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Confirm that the schedule is ignored.")] = False,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Set the rollout's percentage outside the schedule.

    A lower percentage keeps the companies that were enabled first.

    Examples:
        cartctl rollout set --env production --percent 25 --force --why "slow start"
    """
    from cartctl.config.model.stages import read_percent
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.operations import set_percent
    from cartctl.ports import Ports

    options: Options = ctx.obj
    try:
        target = read_percent(percent)
    except ValueError as wrong:
        raise UsageError(
            f"Invalid percentage {percent!r} for --percent.", hint="Use a number from 0 to 100, such as 25."
        ) from wrong
    with Ports(options.environment("database", "cluster", "http")) as ports:
        options.confirm(f"Set {target} % in {ports.env.name}, outside the schedule?", yes=yes)
        with options.view() as view:
            report = set_percent(ports, target, RolloutOptions(why, force), view)
    raise typer.Exit(report.exit_code if report else 0)
