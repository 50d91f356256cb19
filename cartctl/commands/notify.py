"""`cartctl notify`: the notifiers of an environment, tested."""

import typer

from cartctl.commands.options import Options

notify = typer.Typer(no_args_is_help=True, help="Send test messages to the notifiers.")


@notify.command()
def test(ctx: typer.Context) -> None:
    """Send a test message to each notifier.

    Exit code 7 when one does not accept it, 6 when none is configured.

    Examples:
        cartctl notify test --env production
    """
    from cartctl.checks.notifiers import check_notifiers
    from cartctl.ports import Ports

    options: Options = ctx.obj
    with Ports(options.environment()) as ports:
        checks = check_notifiers(ports.notifiers, ports.env.name)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
