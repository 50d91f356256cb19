"""The options every command shares, and what they lead to: the environment, and where results go."""

import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from cartctl.errors import Inconclusive, Refused, StepFailed, UsageError

if TYPE_CHECKING:
    from cartctl.config.model.environment import Environment
    from cartctl.monitoring.tick import Tick
    from cartctl.ports import Ports
    from cartctl.render.html.run_report import Watched
    from cartctl.render.run.monitor_view import MonitorView
    from cartctl.render.run.view import View

_WITH_VALUE = ("--env", "--config", "--output", "-o")
_FLAGS = ("--quiet", "--verbose", "--debug", "--no-color", "--version")
_ASSIGNED = ("--env=", "--config=", "--output=")
_SHORT = re.compile(r"-[qv]+|-o.+")  # -q, -qv, -ojson

# options of a deployment that shape its plan; `deploy`, `plan`, `preflight` and `signoff` take them
Image: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--image", metavar="DEPLOYMENT=REF", help="Release this image in the Deployment; may be repeated."
    ),
]
At: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        "--at", metavar="TIME", help="Migrate at this time (UTC); preparation begins 60 minutes before."
    ),
]
Skip: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--skip",
        metavar="STEP",
        help="Skip a step, or one preflight check (preflight.NAME); requires --reason; may be repeated.",
    ),
]
Reason: TypeAlias = Annotated[
    str | None,
    typer.Option("--reason", metavar="TEXT", help="Why steps or checks are skipped; recorded with the run."),
]
MonitorFor: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--monitor-for",
        metavar="DURATION",
        help="How long to monitor, for example 30m [default: monitor.for].",
    ),
]
NoAutoRollback: TypeAlias = Annotated[
    bool, typer.Option("--no-auto-rollback", help="Do not roll back when a step fails.")
]
OutsideWindow: TypeAlias = Annotated[
    bool, typer.Option("--outside-window", help="Deploy outside the environment's deployment window.")
]
ForceOwned: TypeAlias = Annotated[
    bool,
    typer.Option("--force-owned", help="Also change resources managed by Argo CD, Flux, Helm or KEDA."),
]
RestoreCarts: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--restore-carts",
        metavar="SNAPSHOT",
        help="Restore the cart's rows from a rollback's run or directory, or a snapshot.",
    ),
]


class Output(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


ReportFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", help="Write the run's report to this HTML file, whatever the outcome."
    ),
]


def hoist(args: list[str]) -> list[str]:
    """Move the global options to the front, so that they may stand anywhere before a `--`.

    One whose value is missing is all that is left, for the parser to tell.
    """
    end = args.index("--") if "--" in args else len(args)
    front: list[str] = []
    rest: list[str] = []
    queue = iter(args[:end])
    for arg in queue:
        if arg in _WITH_VALUE:
            value = next(queue, None)
            if value is None:
                return [arg]
            front += [arg, value]
        elif arg in _FLAGS or _SHORT.fullmatch(arg) or arg.startswith(_ASSIGNED):
            front.append(arg)
        else:
            rest.append(arg)
    return [*front, *rest, *args[end:]]


@dataclass(frozen=True, slots=True)
class Options:
    """The global options of one command line."""

    env: str | None = None
    config: str | None = None
    output: Output = Output.TEXT
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    no_color: bool = False

    @staticmethod
    def wants_json(args: list[str]) -> bool:
        """Whether a command line asks for JSON, also one that could not be parsed."""
        pairs = zip(args, [*args[1:], ""], strict=False)
        return any(
            (a in {"-o", "--output"} and b == "json") or a in {"-ojson", "--output=json"} for a, b in pairs
        )

    def environment(self, *sections: str) -> "Environment":
        """The selected environment. Raises ConfigError, MissingSection unless all these sections are configured."""
        from cartctl.config.load import load_environment

        if not self.debug:
            _silence_libraries()
        return self.warned(load_environment(self.config, self.env, sections=sections))

    def warned(self, env: "Environment") -> "Environment":
        """The environment, after a warning for each server whose certificate is not verified."""
        from cartctl.config.model.environment import UNVERIFIED

        for key in env.unverified:
            self.say(f"warning: {key} = false in environment {env.name}: {UNVERIFIED}")
        return env

    def environment_started(self, *sections: str) -> "Environment":
        """As `environment`; a sandbox that is selected by name and has no other file is started first."""
        name = (self.env or "").removeprefix("sandbox").removeprefix(":")
        if self.config is None and self.env in {"sandbox", f"sandbox:{name}"}:
            from cartctl.config.load import sandbox_directory
            from cartctl.config.source import find_source

            own = find_source(None)
            if own is None or self.env not in own.environments:
                from cartctl.sandbox.up import up

                up(name or sandbox_directory().name, lambda sentence: self.say(f"sandbox: {sentence}"))
        return self.environment(*sections)

    def say(self, sentence: str) -> None:
        """Show a message that is not a result."""
        if not self.quiet:
            typer.echo(sentence, err=True)

    def conclude(self, result: Any, sentence: str) -> None:
        """A result that is one sentence on stderr; with JSON, a document on stdout."""
        if self.output is Output.JSON:
            self.show(result)
        else:
            self.say(sentence)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Prompt before anything begins. Raises Refused for a no, and without a terminal."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise Refused("Cannot prompt without a terminal.", hint="Use --yes.")
        if not typer.confirm(question, err=True):
            raise Refused("Not confirmed; nothing was changed.")

    def confirm_by_typing(self, question: str, name: str) -> None:
        """Prompt for a name. Raises Refused for anything else, and without a terminal."""
        if not sys.stdin.isatty():
            raise Refused("Cannot prompt without a terminal.", hint="Use --yes --allow-data-loss.")
        if typer.prompt(f"{question} Type its name", err=True) != name:
            raise Refused("The name does not match; nothing was changed.")

    def view(self) -> "View":
        """What a run is watched with."""
        from cartctl.render.run.view import choose_view

        as_json = self.output is Output.JSON
        return choose_view(as_json=as_json, quiet=self.quiet, verbose=self.verbose, no_color=self.no_color)

    def monitor_view(self, env: "Environment", show_sample: "Callable[[Tick], None]") -> "MonitorView":
        """What a monitor is watched with; `tell` writes a sample where there is no terminal to draw on."""
        from cartctl.monitoring.scale import Scale
        from cartctl.render.run.monitor_view import choose_monitor_view

        plain = self.output is Output.JSON or self.quiet or self.verbose
        return choose_monitor_view(env.name, Scale.of(env), show_sample, plain=plain, no_color=self.no_color)

    def check_report(self, path: Path | None, *, runs: bool) -> None:
        """Raise UsageError or ConfigError, before anything begins, for a report that could not be written.

        `runs`: the command line executes a run, of which there can be a report.
        """
        if path is not None and not runs:
            raise UsageError("--report excludes --plan and --abandon.", hint="Remove --report.")
        if path is not None:
            from cartctl.render.html.destination import check_destination

            check_destination(path, "--report")

    def report_written(self, ports: "Ports", path: Path | None) -> "AbstractContextManager[Watched]":
        """Write the report of the block's run to a file, if one is given."""
        if path is None:
            return nullcontext(lambda view: view)
        from cartctl.render.html.run_report import report_written

        return report_written(ports, path, self.say)

    def guard_shown(self, guard: Callable[[], None]) -> None:
        """Apply a run's guard once its plan has been shown. Raises Refused or Inconclusive.

        With JSON, whose stdout already holds the plan, the sentence goes to stderr and typer.Exit carries the exit code.
        """
        try:
            guard()
        except (Refused, Inconclusive) as refused:
            if self.output is not Output.JSON:
                raise
            self.say(f"{refused.message} {refused.hint}".strip())
            raise typer.Exit(refused.exit_code) from refused

    def show_aside(self, result: Any) -> None:
        """Write to stderr, as text, what a person should see before answering a prompt."""
        from cartctl.render.renderers import write as write_text

        write_text(result, sys.stderr, no_color=self.no_color)

    def show(self, result: Any) -> None:
        """Write a result to stdout, as text or JSON. A closed pipe is not an error. Raises StepFailed for a full disk."""
        from cartctl.render.run.broken_pipe import enduring, silence

        stream = enduring(sys.stdout, BrokenPipeError)
        try:
            if self.output is Output.JSON:
                from cartctl.render.json import write as write_json

                write_json(result, stream)
            elif self.output is Output.MARKDOWN:
                from cartctl.render.markdown import write as write_markdown

                write_markdown(result, stream)
            else:
                from cartctl.render.renderers import write as write_text

                write_text(result, stream, no_color=self.no_color)
        except OSError as full:
            if self.output is not Output.JSON:  # there the error is tried next
                silence(sys.stdout)
            raise StepFailed(
                f"Cannot write the result: {full.strerror}.", hint="Check the destination of stdout."
            ) from full


def _silence_libraries() -> None:
    """Discard what libraries log: Python would write their warnings and tracebacks between cartctl's messages."""
    import logging

    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
