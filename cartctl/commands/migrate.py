"""`cartctl migrate`: the migrations by themselves."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.commands.usage.watching import Watch, show_watched
from cartctl.errors import UsageError

migrate = typer.Typer(no_args_is_help=True, help="Show, apply and verify the database migrations.")


@migrate.command("status")
def show_status(ctx: typer.Context, watch: Watch = False) -> None:
    """Show applied and pending migrations.

    Reads cartctl's own record and Prisma's ledger.

    Examples:
        cartctl migrate status --env production
        cartctl migrate status --env production --watch
    """
    from cartctl.database.migrations.status import status
    from cartctl.ports import Ports

    options: Options = ctx.obj
    env = options.environment("database")
    with Ports(env) as ports:
        show_watched(options, lambda _: status(ports.database, env.database), watch=watch)


@migrate.command()
def deploy(
    ctx: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Show the pending SQL and change nothing.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Execute the pending SQL, time it and roll it back; takes the same locks."
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="With --dry-run: accept its locks in a protected environment.")
    ] = False,
) -> None:
    """Apply the pending migrations and verify the result.

    Each migration is one transaction with a lock timeout and a statement timeout, under the lock that all runs share.

    Examples:
        cartctl migrate deploy --env production --plan
        cartctl migrate deploy --env staging --dry-run
        cartctl migrate deploy --env production
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.ports import Ports

    if plan and dry_run:
        raise UsageError("--plan and --dry-run exclude each other.", hint="Use one of them.")
    options: Options = ctx.obj
    env = options.environment("database")
    pulse = Pulse()
    with Ports(env) as ports, interruptible(pulse):
        if plan:
            from cartctl.database.migrations.preview import preview
            from cartctl.plans.database.checks import migration_checks, refuse_bad, relax_for_read_only

            options.show(preview(ports.database, env.database))
            checks = relax_for_read_only(ports, migration_checks(ports, pulse))
            options.guard_shown(lambda: refuse_bad(checks, options.say))
        elif dry_run:
            from cartctl.database.migrations.dry_run import dry_run as execute
            from cartctl.plans.database.migrate import refuse_unsafe_dry_run

            refuse_unsafe_dry_run(env, yes=yes)
            options.show(execute(ports.database, env.database, pulse))
        else:
            from cartctl.plans.database.migrate import migrate as apply

            options.show(apply(ports, pulse, options.say))


@migrate.command("verify")
def show_verify(
    ctx: typer.Context,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on any difference from cartctl's own schema.")
    ] = False,
) -> None:
    """Verify tables, columns, types, indexes, keys and privileges.

    Fails, with exit code 7, on what breaks the cart's code; on a database that cartctl migrated, on anything missing.
    Other differences are reported with their consequence, and pass.

    Examples:
        cartctl migrate verify --env production
        cartctl migrate verify --env production --strict
    """
    from cartctl.database.migrations.verify import verify
    from cartctl.ports import Ports

    options: Options = ctx.obj
    env = options.environment("database")
    with Ports(env) as ports:
        checks = verify(ports.database, env.database, exact=strict)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)


@migrate.command()
def lint(ctx: typer.Context) -> None:
    """Lint the SQL of the migrations with Squawk.

    A finding is accepted with a reason in database.migrations.accept; any other ends with exit code 7.

    Examples:
        cartctl migrate lint --env production
    """
    from cartctl.database.migrations.lint import lint_migrations

    options: Options = ctx.obj
    checks = lint_migrations(options.environment("database").database.migrations.accept)
    options.show(checks)
    raise typer.Exit(checks.verdict.exit_code)


@migrate.command()
def adopt(ctx: typer.Context) -> None:
    """Record migrations that another tool has applied.

    Checks every required object first; changes no table.

    Examples:
        cartctl migrate adopt --env production
    """
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.database.migrate import adopt as record
    from cartctl.ports import Ports

    options: Options = ctx.obj
    pulse = Pulse()
    with Ports(options.environment("database")) as ports, interruptible(pulse):
        options.show(record(ports, pulse))


@migrate.command()
def index(
    ctx: typer.Context,
    concurrently: Annotated[
        bool, typer.Option("--concurrently", help="Build them; without it, only list them.")
    ] = False,
    scale: Annotated[
        bool, typer.Option("--scale", help="Also the optional indexes for millions of carts.")
    ] = False,
) -> None:
    """Build missing indexes on tables that contain rows.

    Builds one at a time without blocking writers, and rebuilds an invalid index that an interrupted build left.

    Examples:
        cartctl migrate index --env production
        cartctl migrate index --env production --concurrently
        cartctl migrate index --env production --scale --concurrently
    """
    from cartctl.database.migrations.indexes import plan_indexes
    from cartctl.engine.pulse import Pulse
    from cartctl.engine.signals import interruptible
    from cartctl.plans.database.migrate import index as build
    from cartctl.ports import Ports

    options: Options = ctx.obj
    pulse = Pulse()
    with Ports(options.environment("database")) as ports, interruptible(pulse):
        missing = plan_indexes(ports.database, ports.env.database, scale=scale)
        options.show(build(ports, pulse, scale=scale) if concurrently and missing.indexes else missing)


@migrate.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Target directory; created if missing.")],
    ctx: typer.Context,
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="sql|prisma", help="sql: plain SQL files; prisma: Prisma's migration folders."
        ),
    ] = "sql",
) -> None:
    """Write the SQL files of the migrations to a directory.

    With --format prisma, writes the folders that `prisma migrate deploy` accepts, including checksums.

    Examples:
        cartctl migrate export migrations/
        cartctl migrate export --format prisma prisma/migrations
    """
    from cartctl.database.migrations.export import Form
    from cartctl.database.migrations.export import export as write

    if form not in {each.value for each in Form}:
        raise UsageError(f"--format {form} is neither sql nor prisma.", hint="For example: --format prisma")
    options: Options = ctx.obj
    options.show(write(Form(form), directory))
