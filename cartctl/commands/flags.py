"""`cartctl flags`: the cart's feature flags, as they are stored and as a company has them."""

from enum import StrEnum
from typing import Annotated

import typer

from cartctl.commands.options import Options

flags = typer.Typer(no_args_is_help=True, help="The cart's feature flags, one by one.")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the history.")]


class To(StrEnum):
    """What a flag can be set to."""

    ON = "on"
    OFF = "off"
    ROLLOUT = "rollout"


@flags.command("list")
def list_flags(ctx: typer.Context) -> None:
    """Show the cart's flags and what decides about each."""
    from cartctl.plans.rollout.flag_operations import list_flags as listed
    from cartctl.plans.rollout.inputs import open_desk
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with (
        Ports(options.environment()) as ports,
        open_desk(ports, read_only=True, without_database=True) as desk,
    ):
        options.show(listed(desk))


@flags.command("eval")
def evaluate_flags(
    ctx: typer.Context,
    company: Annotated[str, typer.Option("--company", metavar="ID", help="The company's id.")],
) -> None:
    """Show which flags a company has, and why."""
    from cartctl.plans.rollout.flag_operations import evaluate
    from cartctl.plans.rollout.inputs import open_desk
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports, open_desk(ports, read_only=True) as desk:
        options.show(evaluate(desk, company))


@flags.command("set")
def set_flag(
    ctx: typer.Context,
    flag: Annotated[str, typer.Argument(metavar="FLAG", help="For example FEATURE_CART_MANAGEMENT.")],
    to: Annotated[
        To, typer.Argument(metavar="on|off|rollout", help="For everybody, or following the rollout.")
    ],
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Set one flag by hand, or let it follow the rollout.

    A flag that was set by hand stays as it is whatever the rollout does, until it is set to `rollout`, or until an abort.
    """
    from cartctl.plans.rollout.decisions import Told
    from cartctl.plans.rollout.flag_operations import set_flag as carry_out
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports:
        options.confirm(f"Set {flag} to {to} for {ports.env.name}?", yes=yes)
        with options.view() as view:
            report = carry_out(ports, flag, to.value, Told(why), view)
    raise typer.Exit(report.exit_code if report else 0)


@flags.command("undo")
def undo_flags(ctx: typer.Context, why: Why = "", yes: Yes = False) -> None:
    """Put back what the last change of the flags moved.

    Flags of others in the same document stay as they are. Refused when the cart's own were changed since.
    """
    from cartctl.plans.rollout.decisions import Told
    from cartctl.plans.rollout.flag_operations import undo
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports:
        options.confirm(f"Put the last change of {ports.env.name}'s flags back?", yes=yes)
        with options.view() as view:
            report = undo(ports, Told(why), view)
    raise typer.Exit(report.exit_code if report else 0)
