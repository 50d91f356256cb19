"""The one door: global options anywhere on the line, one boundary that turns errors into sentences and exit codes."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cartctl import __version__
from cartctl.commands import COMMANDS, GROUPS
from cartctl.commands.options import Options, Output, hoist
from cartctl.errors import CartctlError, Interrupted, UsageError


class Boundary(TyperGroup):
    """Hoists global options to the front and ends every command with the exit code its error carries."""

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> Any:
        """Run one command line and exit."""
        given = hoist(list(sys.argv[1:] if args is None else args))
        extra["standalone_mode"] = False
        try:
            code = super().main(args=given, **extra)
        except typer.Abort:
            code = _fail(Interrupted("Interrupted."), given)
        except typer.TyperException as wrong:
            if isinstance(self, TyperGroup) and not wrong.format_message():
                code = 2  # help was shown because nothing was asked for
            else:
                code = _fail(UsageError(_sentence(wrong.format_message()), hint="See cartctl --help."), given)
        except CartctlError as error:
            code = _fail(error, given)
        except Exception as bug:
            if "--debug" in given:
                raise
            code = _fail(
                CartctlError(
                    f"Unexpected {type(bug).__name__}: {bug}", hint="This is a bug: run again with --debug."
                ),
                given,
            )
        sys.exit(code or 0)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


def _fail(error: CartctlError, given: list[str]) -> int:
    from cartctl.render.failure import report_failure

    report_failure(error, as_json=Options.wants_json(given))
    return error.exit_code


app = typer.Typer(
    name="cartctl",
    cls=Boundary,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Global options may stand anywhere on the line.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cartctl {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    ctx: typer.Context,
    env: Annotated[
        str | None, typer.Option("--env", envvar="CARTCTL_ENV", help="Environment of the configuration file.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            envvar="CARTCTL_CONFIG",
            help="Configuration file [default: cartctl.toml, searched upwards].",
        ),
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="How results are written to stdout.")
    ] = Output.TEXT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="More detail on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a bug.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", envvar="NO_COLOR", help="No colours.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Deploys, watches and takes back an e-commerce cart feature: database, cluster and flags in one journalled plan."""
    ctx.obj = Options(
        env=env, config=config, output=output, quiet=quiet, verbose=verbose, debug=debug, no_color=no_color
    )


for name, command in COMMANDS.items():
    app.command(name)(command)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """The console script."""
    app()
