"""`cartctl migrate`: the migrations by themselves."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cartctl.commands.options import Options

migrate = typer.Typer(no_args_is_help=True, help="Show, apply and verify the database migrations.")


@migrate.command("status")
def show_status(ctx: typer.Context) -> None:
    """Show which migrations are applied and which are pending.

    By cartctl's own record, with Prisma's ledger beside it.
    """
    from cartctl.database.status import status
    from cartctl.ports import Ports

    options: Options = ctx.obj
    env = options.environment()
    with Ports(env) as ports:
        options.show(status(ports.database, env.database))


@migrate.command()
def deploy(
    ctx: typer.Context,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show the SQL of what is pending and change nothing.")
    ] = False,
) -> None:
    """Apply the pending migrations and verify the result.

    One transaction each, with bounded locks; who is in the way is named.
    """
    from cartctl.database.migrate import deploy as apply
    from cartctl.database.preview import preview
    from cartctl.database.verify import verify
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.ports import Ports
    from cartctl.steps.migrate import require

    options: Options = ctx.obj
    env = options.environment()
    with Ports(env) as ports:
        if plan:
            options.show(preview(ports.database, env.database))
            return
        pulse = Pulse()
        with interruptible(pulse):
            made = apply(ports.database, env.database, f"migrate-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", pulse)
        require(verify(ports.database, env.database))
        options.show(made)


@migrate.command("verify")
def show_verify(ctx: typer.Context) -> None:
    """Check every table, column, enum label, index, key and right.

    Exit code 7 when something is not as it should be.
    """
    from cartctl.database.verify import verify
    from cartctl.ports import Ports

    options: Options = ctx.obj
    env = options.environment()
    with Ports(env) as ports:
        checks = verify(ports.database, env.database)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)
