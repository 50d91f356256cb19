"""`cartctl config`: what the configuration says, whether it is right, and a first one."""

from typing import Annotated

import typer

from cartctl.commands.options import Options

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
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented configuration file.

    The file is --config, or else cartctl.toml in the working directory.

    Examples:
        cartctl config init
        cartctl config init --config deploy/cartctl.toml
    """
    from pathlib import Path

    from cartctl.config.source import FILE_NAME
    from cartctl.config.starter import Written, write_starter

    options: Options = ctx.obj
    path = Path(options.config or FILE_NAME)
    write_starter(path, force=force)
    options.conclude(Written(path), f"Wrote {path}. Next: edit it, then cartctl config check")


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
