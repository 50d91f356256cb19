"""`cartctl rollout`: the twenty days, stage by stage."""

from datetime import datetime
from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import CheckFailed, UsageError

rollout = typer.Typer(no_args_is_help=True, help="Raise the feature over twenty days, company by company.")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the history.")]


@rollout.command("status")
def rollout_status(
    ctx: typer.Context,
    gates: Annotated[
        bool, typer.Option("--gates/--no-gates", help="Ask the gates too, which takes seconds.")
    ] = True,
) -> None:
    """Show where the rollout stands: days, gates, history."""
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.rollout.inputs import open_desk
    from cartctl.plans.rollout.status import status
    from cartctl.ports import Ports

    options: Options = ctx.obj
    pulse = Pulse()
    with (
        Ports(options.environment()) as ports,
        interruptible(pulse),
        open_desk(ports, read_only=True) as desk,
    ):
        options.show(status(desk, pulse, gates=gates))


@rollout.command("preview")
def rollout_preview(ctx: typer.Context) -> None:
    """Show who is added at each stage, under both allocations.

    Exit code 7 when anybody would lose what they have.
    """
    from cartctl.plans.rollout.inputs import open_desk
    from cartctl.plans.rollout.status import preview_all
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports, open_desk(ports, read_only=True) as desk:
        shown = preview_all(desk)
    options.show(shown)
    if shown.removed:
        raise CheckFailed(
            f"{shown.removed} companies would lose what they have.",
            hint="See who: cartctl rollout preview -o json",
        )


@rollout.command("start")
def start_rollout(
    ctx: typer.Context,
    date: Annotated[
        datetime | None,
        typer.Option(
            "--date", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Day 0 [default: rollout.start]."
        ),
    ] = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Begin: off for all but the internal companies.

    Records what decides who comes first, so that nobody flips later.
    """
    from cartctl.plans.rollout.decisions import Told
    from cartctl.plans.rollout.operations import start
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports:
        options.confirm(
            f"Start the rollout of {ports.env.name}, off for everybody but internal companies?", yes=yes
        )
        with options.view() as view:
            report = start(ports, date.date() if date else None, Told(why), view)
    raise typer.Exit(report.exit_code if report else 0)


@rollout.command("advance")
def advance_rollout(
    ctx: typer.Context,
    auto: Annotated[
        bool,
        typer.Option(
            "--auto", help="Do what is due, or say why nothing is; aborts when a trigger has fired."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Whatever calendar and gates say; needs --why.")
    ] = False,
    approved_by: Annotated[
        str, typer.Option("--approved-by", metavar="NAME", help="Who agreed, for a stage that asks for it.")
    ] = "",
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Enter the next stage, when it is due and its gates pass.

    Safe to run twice and from two places. Exit code 3 when nothing is due (0 with --auto), 7 or 6 when a gate keeps it waiting.
    """
    from cartctl.plans.rollout.decisions import Told
    from cartctl.plans.rollout.inputs import open_desk
    from cartctl.plans.rollout.operations import Unmoved, advance, advance_by_itself, next_stage
    from cartctl.ports import Ports

    if auto and (force or approved_by):
        raise UsageError("--auto excludes --force and --approved-by.", hint="Give one of them.")
    if force and not why:
        raise UsageError("--force needs a reason.", hint="Say --why; it is recorded.")
    options: Options = ctx.obj
    with Ports(options.environment()) as ports:
        if auto:
            told: list[str] = []
            with options.view() as view:
                report = advance_by_itself(ports, view, told.append)
            if report is None:
                options.conclude(Unmoved(" ".join(told)), " ".join(told))
            raise typer.Exit(report.exit_code if report else 0)
        with open_desk(ports) as desk:
            index = next_stage(desk, force=force)
            name = desk.stages[index].name
        options.confirm(f"Enter the stage {name} in {ports.env.name}?", yes=yes)
        with options.view() as view:
            report = advance(ports, Told(why, force, approved_by), view, expected=index)
    raise typer.Exit(report.exit_code if report else 0)


@rollout.command("hold")
def hold_rollout(ctx: typer.Context, why: Why = "") -> None:
    """Keep the rollout where it is until it is resumed."""
    _say(ctx, "hold", why)


@rollout.command("resume")
def resume_rollout(ctx: typer.Context, why: Why = "") -> None:
    """Let a rollout on hold go on."""
    _say(ctx, "resume", why)


def _say(ctx: typer.Context, action: str, why: str) -> None:
    from cartctl.plans.rollout.decisions import Told
    from cartctl.plans.rollout.operations import say
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports, options.view() as view:
        report = say(ports, action, Told(why), view)
    raise typer.Exit(report.exit_code if report else 0)


@rollout.command("abort")
def abort_rollout(ctx: typer.Context, why: Why = "", yes: Yes = False) -> None:
    """Back to 0 % in one write, confirmed by the API.

    Goes past a run that is alive, which hands over, and works with the database gone.
    """
    from cartctl.plans.rollout.decisions import Told
    from cartctl.plans.rollout.run import abort
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports:
        options.confirm(f"Take the feature of {ports.env.name} back to 0 %?", yes=yes)
        with options.view() as view:
            report = abort(ports, Told(why), view, options.say)
    raise typer.Exit(report.exit_code)


@rollout.command("set")
def set_rollout(
    ctx: typer.Context,
    percent: Annotated[str, typer.Option("--percent", metavar="N", help="0 to 100, of all companies.")],
    force: Annotated[bool, typer.Option("--force", help="Agree to leave the schedule aside.")] = False,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Go to a percentage outside the schedule.

    Lowered, it keeps the companies that came first.
    """
    from cartctl.config.model.stages import read_percent
    from cartctl.plans.rollout.decisions import Told
    from cartctl.plans.rollout.operations import set_percent
    from cartctl.ports import Ports

    options: Options = ctx.obj
    try:
        wanted = read_percent(percent)
    except ValueError as wrong:
        raise UsageError(f"--percent {wrong}.", hint="For example: --percent 25") from wrong
    with Ports(options.environment()) as ports:
        options.confirm(f"Go to {wanted} % in {ports.env.name}, outside the schedule?", yes=yes)
        with options.view() as view:
            report = set_percent(ports, wanted, Told(why, force), view)
    raise typer.Exit(report.exit_code if report else 0)
