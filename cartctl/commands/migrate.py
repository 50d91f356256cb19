"""`cartctl migrate`: the migrations by themselves."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError

migrate = typer.Typer(no_args_is_help=True, help="Show, apply and verify the database migrations.")


@migrate.command("status")
def show_status(ctx: typer.Context) -> None:
    """Show which migrations are applied and which are pending.

    By cartctl's own record, with Prisma's ledger beside it.
    """
    from cartctl.database.migrations.status import status
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
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Execute what is pending, time it, and roll it back; takes its locks."
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --dry-run: take those locks in a protected environment.")
    ] = False,
) -> None:
    """Apply the pending migrations and verify the result.

    One transaction each, bounded in time, under the lock of all runs.
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.ports import Ports

    if plan and dry_run:
        raise UsageError("--plan and --dry-run exclude each other.", hint="Give one of them.")
    options: Options = ctx.obj
    env = options.environment()
    pulse = Pulse()
    with Ports(env) as ports, interruptible(pulse):
        if plan:
            from cartctl.database.migrations.preview import preview
            from cartctl.plans.database.checks import for_a_reader, migration_checks, refuse_bad

            options.show(preview(ports.database, env.database))
            checks = for_a_reader(ports, migration_checks(ports, pulse))
            options.guard_shown(lambda: refuse_bad(checks, options.say))
        elif dry_run:
            from cartctl.database.migrations.dry_run import dry_run as execute
            from cartctl.plans.database.migrate import refuse_careless

            refuse_careless(env, yes=yes)
            options.show(execute(ports.database, env.database, pulse))
        else:
            from cartctl.plans.database.migrate import migrate as apply

            options.show(apply(ports, pulse, options.say))


@migrate.command("verify")
def show_verify(ctx: typer.Context) -> None:
    """Check every table, column, enum label, index, key and right.

    Exit code 7 when something is not as it should be.
    """
    from cartctl.database.migrations.verify import verify
    from cartctl.ports import Ports

    options: Options = ctx.obj
    env = options.environment()
    with Ports(env) as ports:
        checks = verify(ports.database, env.database)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)


@migrate.command()
def lint(ctx: typer.Context) -> None:
    """Lint the migrations' SQL with Squawk.

    What it minds is accepted with a reason in migrations.accept, or fails with exit code 7.
    """
    from cartctl.database.migrations.lint import lint_migrations

    options: Options = ctx.obj
    checks = lint_migrations(options.environment().database.migrations.accept)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)


@migrate.command()
def adopt(ctx: typer.Context) -> None:
    """Record a database that another tool has migrated.

    Every required object is looked at first; no table is changed.
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.database.migrate import adopt as record
    from cartctl.ports import Ports

    options: Options = ctx.obj
    pulse = Pulse()
    with Ports(options.environment()) as ports, interruptible(pulse):
        options.show(record(ports, pulse))


@migrate.command()
def index(
    ctx: typer.Context,
    concurrently: Annotated[
        bool, typer.Option("--concurrently", help="Build them; without it they are only named.")
    ] = False,
) -> None:
    """Build missing indexes of tables that already hold rows.

    One at a time, without keeping writers out; an invalid one that a killed build left is built anew.
    """
    from cartctl.database.migrations.indexes import plan_indexes
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.database.migrate import index as build
    from cartctl.ports import Ports

    options: Options = ctx.obj
    pulse = Pulse()
    with Ports(options.environment()) as ports, interruptible(pulse):
        missing = plan_indexes(ports.database, ports.env.database)
        options.show(build(ports, pulse) if concurrently and missing.indexes else missing)


@migrate.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made when missing.")],
    ctx: typer.Context,
    form: Annotated[
        str,
        typer.Option("--format", metavar="sql|prisma", help="All our files, or the folders Prisma reads."),
    ] = "sql",
) -> None:
    """Write the migrations' SQL files into a directory.

    With --format prisma, folders that `prisma migrate deploy` accepts, checksums included.
    """
    from cartctl.database.migrations.export import Form
    from cartctl.database.migrations.export import export as write

    if form not in {each.value for each in Form}:
        raise UsageError(f"--format {form} is neither sql nor prisma.", hint="For example: --format prisma")
    options: Options = ctx.obj
    options.show(write(Form(form), directory))
