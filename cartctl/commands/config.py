"""`cartctl config`: what the configuration says, whether it is right, and a first one."""

from typing import Annotated

import typer

from cartctl.commands.options import Options

config = typer.Typer(no_args_is_help=True, help="Show, check and start the configuration file.")


@config.command("show")
def show_config(ctx: typer.Context) -> None:
    """Show every value and where it comes from.

    Secrets are never shown, only where they are.
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
    """Write a commented starter file.

    To --config, or else to cartctl.toml in the working directory. Never overwrites a file unasked.
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
    """Check every environment, or the one given by --env.

    Also reads the files and secrets that it refers to. Ends with 2 when something is wrong.
    """
    from cartctl.checks.configuration import judge_configuration
    from cartctl.engine.model import Verdict
    from cartctl.errors import ConfigError

    options: Options = ctx.obj
    found = judge_configuration(options.config, options.env)
    options.show(found)
    if found.verdict is Verdict.FAIL:
        raise typer.Exit(ConfigError.exit_code)


@config.command("schema")
def config_schema() -> None:
    """Write the JSON Schema of the file, for editors."""
    import json

    from cartctl.config.schema import file_schema

    typer.echo(json.dumps(file_schema(), indent=2))
