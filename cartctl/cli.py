"""The entry point: global options anywhere on the line, one boundary that turns errors into messages and exit codes."""

import codecs
import gc
import io
import os
import re
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cartctl import __version__
from cartctl.commands import COMMANDS, LazyCommands
from cartctl.commands.options import Options, Output, hoist
from cartctl.engine.signals import already_reported, install, stop_cause, uninstall
from cartctl.errors import CartctlError, Interrupted, UsageError, as_error
from cartctl.render.output import guarded_streams

_NO_COMMAND = re.compile(r"No such command '(?P<name>[a-z-]+)'\.")
MARKDOWN_COMMANDS = ("report",)


class Boundary(TyperGroup):
    """Hoists global options to the front and ends every command with the exit code of its error."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": LazyCommands(attributes.get("commands"))})

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the framework's signature
        """The names in the order of the table; none is imported."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the framework's signature
        """Write the table of commands; none is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run one command line and exit."""
        words: Sequence[str] | None = args[0] if args else extra.pop("args", None)
        given = hoist(list(sys.argv[1:] if words is None else words))
        extra |= {"standalone_mode": False, "prog_name": "cartctl"}
        with guarded_streams():
            code = self._run(given, extra)
        sys.exit(code or 0)

    def _run(self, given: list[str], extra: dict[str, Any]) -> int | None:
        try:
            code: int | None = super().main(args=given, **extra)
        except typer.Abort:
            return _fail(stop_cause() or Interrupted("Interrupted."), given)
        except typer.TyperException as wrong:
            return _report_usage(wrong, given)
        except CartctlError as error:
            return _fail(error, given)
        except SystemExit:
            code = 0  # the reader of the output is gone, which ends the command
        except Exception as error:  # noqa: BLE001 - the boundary
            from cartctl.commands.cart.errors import translate_cart_error

            refused = translate_cart_error(error)
            if refused is None and "--debug" in given:
                traceback.print_exception(error)  # here, where the streams are guarded
                return CartctlError.exit_code
            code = _fail(refused or as_error(error), given)
        return code

    def invoke(self, ctx: Any) -> Any:
        """Run a command. A signal that ends it at once has its own message and exit code, where the framework has one for all."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise (stop_cause() or Interrupted("Interrupted.")) from None


def _report_usage(wrong: typer.TyperException, given: list[str]) -> int:
    """Report a wrong command line in one sentence; without any command, show the help."""
    context = getattr(wrong, "ctx", None)
    path = context.command_path if context else "cartctl"
    message = _usage_message(wrong, context)
    if message.startswith("Usage: "):
        if not Options.wants_json(given):
            typer.echo(message, err=True)
            return UsageError.exit_code
        message = f"{path} needs a command"
    message = message if message.endswith((".", "!", "?")) else f"{message}."
    return _fail(UsageError(message, hint=f"See {path} --help."), given)


def _usage_message(wrong: typer.TyperException, context: Any) -> str:
    """What is wrong with a command line, with the command or option that was probably meant."""
    from cartctl.commands.usage.suggestions import nearest_command, nearest_option

    message = wrong.format_message().replace("Value error, ", "")
    if option := getattr(wrong, "option_name", ""):
        if message.startswith("No such option"):
            suggestion = nearest_option(option, context)
            return f"No such option: {option}." + (f" Did you mean '{suggestion}'?" if suggestion else "")
        return message
    unknown = _NO_COMMAND.match(message)
    if (
        unknown
        and context is not None
        and context.parent is None
        and (suggestion := nearest_command(unknown["name"]))
    ):
        return f"{unknown[0]} Did you mean '{suggestion}'?"
    return message


def _fail(error: CartctlError, given: list[str]) -> int:
    as_json = Options.wants_json(given)
    if isinstance(error, Interrupted) and already_reported() and as_json:
        return error.exit_code  # shown to a person again, below the last frame of a live view
    _report(error, as_json=as_json)
    return error.exit_code


def _report(error: CartctlError, *, as_json: bool) -> None:
    from cartctl.render.failure import report_failure
    from cartctl.render.run.broken_pipe import silence

    try:
        report_failure(error, as_json=as_json)
    except OSError:  # a terminal that was closed
        silence(sys.stderr)


app = typer.Typer(
    name="cartctl",
    cls=Boundary,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Global options are accepted anywhere on the command line.",
)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"cartctl {__version__}")
        raise typer.Exit


@app.callback()
def main_options(
    ctx: typer.Context,
    env: Annotated[
        str | None, typer.Option("--env", envvar="CARTCTL_ENV", help="Environment in the configuration file.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            envvar="CARTCTL_CONFIG",
            help="Configuration file [default: cartctl.toml here or in a parent directory].",
        ),
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", metavar="<text|json>", help="Format of results on stdout.")
    ] = Output.TEXT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress on stderr.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show more detail on stderr.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Disable colours, as NO_COLOR does.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Deploy, monitor and roll back an e-commerce cart feature.

    Database, cluster and feature flags change in one plan; its journal makes it possible to resume or roll back.
    """
    if output is Output.MARKDOWN and ctx.invoked_subcommand not in MARKDOWN_COMMANDS:
        raise UsageError(
            f"cartctl {ctx.invoked_subcommand} has no Markdown output.",
            hint=f"-o markdown is available for: {', '.join(MARKDOWN_COMMANDS)}.",
        )
    ctx.obj = Options(
        env=env, config=config, output=output, quiet=quiet, verbose=verbose, debug=debug, no_color=no_color
    )


def main() -> None:
    """The console script."""
    gc.set_threshold(150_000)  # imports create many objects and no garbage
    _open_closed_streams()
    _escape_unencodable()
    threading.excepthook = _log_thread_failure
    as_json = Options.wants_json(sys.argv)
    signals = install(lambda cause: _report(cause, as_json=as_json))
    try:
        app()
    except SystemExit as end:
        _flush()
        if signals.received is not None:  # nothing waits for threads that are still busy
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise
    finally:
        uninstall()
        gc.freeze()  # or the exit would scan all of them


def _flush() -> None:
    """Flush both streams. A terminal or reader that is gone is ignored, where the interpreter's own flush would fail."""
    from cartctl.render.run.broken_pipe import silence

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            silence(stream)


def _log_thread_failure(failed: threading.ExceptHookArgs) -> None:
    """A thread's traceback is shown only with --debug: the code that waits for the thread reports the error in a sentence."""
    import logging

    if failed.exc_value is not None:
        logging.getLogger("cartctl").error(
            "%s", as_error(failed.exc_value).message, exc_info=failed.exc_value
        )


def _open_closed_streams() -> None:
    """Redirect closed streams (`<&-`, `>&-`) to the null device.

    Python has None there, and the next file opened would get their number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good


def _escape_unencodable() -> None:
    """Escape what a terminal's encoding lacks (ASCII under LC_ALL=C), as JSON does, instead of failing half way."""
    codecs.register_error("cartctl.escape", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="cartctl.escape")


def _escaped(wrong: UnicodeError) -> tuple[str, int]:
    """The characters as UTF-16 escapes, which are valid in JSON too."""
    if not isinstance(wrong, UnicodeEncodeError):
        raise wrong
    units = wrong.object[wrong.start : wrong.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), wrong.end
