"""`cartctl config`: what the configuration says, whether it is right, and a first one."""

from typing import Annotated

import typer

from cartctl.commands.options import Options
from cartctl.errors import UsageError

config = typer.Typer(no_args_is_help=True, help="Show, check and create the configuration file.")


@config.command("show")
def show_config(ctx: typer.Context) -> None:
    """Show every configuration value and its source.

    Secrets are never shown, only their references.

    Examples:
        cartctl config show --env production
    """
    from cartctl.config.load import load_with_origins
    from cartctl.config.shown import show

    options: Options = ctx.obj
    options.show(show(load_with_origins(options.config, options.env)))


@config.command("init")
def init_config(
    ctx: typer.Context,
    purpose: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="smoke|migrate|deploy",
            help="Write only what this purpose requires, for the environment --env [default: staging].",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented configuration file.

    The file is --config, or else cartctl.toml in the working directory. smoke requires an API's address; migrate requires a
    database; deploy requires both, and the cluster,
    images and metrics.

    Examples:
        cartctl config init
        cartctl config init --for migrate --env production
        cartctl config init --config deploy/cartctl.toml
    """
    from pathlib import Path

    from cartctl.config.source import FILE_NAME
    from cartctl.config.starter import NEXT, Purpose, Written, starter, starter_for, write_starter

    options: Options = ctx.obj
    path = Path(options.config or FILE_NAME)
    if purpose is not None and purpose not in {each.value for each in Purpose}:
        raise UsageError(f"--for {purpose} is not smoke, migrate or deploy.", hint="For example: --for smoke")
    text = starter_for(Purpose(purpose), options.env or "staging") if purpose else starter()
    write_starter(path, text, force=force)
    then = f", then {NEXT[Purpose(purpose)]}" if purpose else ""
    options.conclude(Written(path), f"Wrote {path}. Next: edit it, then cartctl config check{then}")


@config.command("check")
def check_config(ctx: typer.Context) -> None:
    """Validate the configuration file.

    Checks all environments, or the one given by --env, and reads the files and secrets that it refers to. Ends with exit
    code 2 when something is wrong.

    Examples:
        cartctl config check
        cartctl config check --env production
    """
    from cartctl.checks.configuration import judge_configuration
    from cartctl.engine.model import Verdict
    from cartctl.errors import ConfigError

    options: Options = ctx.obj
    checks = judge_configuration(options.config, options.env)
    options.show(checks)
    if checks.verdict is Verdict.FAIL:
        raise typer.Exit(ConfigError.exit_code)


@config.command("schema")
def config_schema() -> None:
    """Write the JSON Schema of the configuration file.

    For editors that complete and validate cartctl.toml.

    Examples:
        cartctl config schema > cartctl.schema.json
    """
    import json

    from cartctl.config.schema import file_schema

    typer.echo(json.dumps(file_schema(), indent=2))
