"""`cartctl flags`: the cart's feature flags, as they are stored and as a company has them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.commands.options import Options
from cartctl.commands.usage.watching import Watch, show_watched

if TYPE_CHECKING:
    from cartctl.engine.pulse import Pulse

flags = typer.Typer(no_args_is_help=True, help="Show and set the cart's feature flags.")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Why = Annotated[str, typer.Option("--why", help="Reason, recorded in the history.")]


class To(StrEnum):
    """What a flag can be set to."""

    ON = "on"
    OFF = "off"
    ROLLOUT = "rollout"


@flags.command("list")
def list_flags(ctx: typer.Context, watch: Watch = False) -> None:
    """List the cart's feature flags and what controls them.

    Examples:
        cartctl flags list --env production
        cartctl flags list --env production --watch
    """
    from cartctl.plans.rollout.flag_operations import list_flags as listed
    from cartctl.plans.rollout.inputs import open_inputs
    from cartctl.ports import Ports

    options: Options = ctx.obj
    env = options.environment("database")

    def read(_: "Pulse") -> object:
        with Ports(env) as ports, open_inputs(ports, read_only=True, without_database=True) as state:
            return listed(state)

    show_watched(options, read, watch=watch)


@flags.command("eval")
def evaluate_flags(
    ctx: typer.Context,
    company: Annotated[str, typer.Option("--company", metavar="ID", help="Company ID.")],
) -> None:
    """Evaluate the feature flags for one company.

    Shows the value of each flag and the reason for it.

    Examples:
        cartctl flags eval --env production --company acme
    """
    from cartctl.plans.rollout.flag_operations import evaluate
    from cartctl.plans.rollout.inputs import open_inputs
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database")) as ports, open_inputs(ports, read_only=True) as state:
        options.show(evaluate(state, company))


@flags.command("set")
def set_flag(
    ctx: typer.Context,
    flag: Annotated[
        str, typer.Argument(metavar="FLAG", help="Flag name, for example FEATURE_CART_MANAGEMENT.")
    ],
    to: Annotated[
        To,
        typer.Argument(
            metavar="on|off|rollout", help="Value for all companies, or rollout to follow the stages."
        ),
    ],
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Set a feature flag to on, off or rollout.

    A flag that is set to on or off keeps this value, whatever the rollout does, until it is set to rollout or the rollout is
    aborted.

    Examples:
        cartctl flags set FEATURE_CART_MANAGEMENT off --env production
        cartctl flags set FEATURE_CART_MANAGEMENT rollout --env production --yes
    """
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.flag_operations import set_flag as carry_out
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database", "cluster", "http")) as ports:
        options.confirm(f"Set {flag} to {to} for {ports.env.name}?", yes=yes)
        with options.view() as view:
            report = carry_out(ports, flag, to.value, RolloutOptions(why), view)
    raise typer.Exit(report.exit_code if report else 0)


@flags.command("undo")
def undo_flags(ctx: typer.Context, why: Why = "", yes: Yes = False) -> None:
    """Undo the latest change of the feature flags.

    Other flags in the same document keep their values. Refused when the cart's flags were modified externally since.

    Examples:
        cartctl flags undo --env production --why "wrong company list"
    """
    from cartctl.plans.rollout.decisions import RolloutOptions
    from cartctl.plans.rollout.flag_operations import undo
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment("database", "cluster", "http")) as ports:
        options.confirm(f"Revert the latest flag change in {ports.env.name}?", yes=yes)
        with options.view() as view:
            report = undo(ports, RolloutOptions(why), view)
    raise typer.Exit(report.exit_code if report else 0)
