"""The commands, each imported only when it is used, so that every start is quick.

One module per noun of the command line, with only typer and the standard library at its top.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

EXAMPLES = "\n\nExamples:\n"  # the heading in a docstring


class Entry(NamedTuple):
    """Where a command is, as `module:attribute`, and the first line of its help."""

    target: str
    summary: str


COMMANDS: dict[str, Entry] = {
    name: Entry(f"cartctl.commands.{target}", summary)
    for name, target, summary in (
        ("deploy", "deploy:deploy", "Deploy the cart; roll back automatically when a step fails."),
        ("rollback", "rollback:rollback", "Roll back the latest deployment."),
        ("plan", "deploy:plan", "Show the plan of a deployment; change nothing."),
        ("rehearse", "rehearse:rehearse", "Rehearse the migration and its rollback on a copy."),
        ("preflight", "preflight:preflight", "Run the preflight checks; change nothing."),
        ("health", "smoke:health", "Check the API's health."),
        ("smoke", "smoke:smoke", "Run the smoke tests."),
        ("monitor", "monitor:monitor", "Monitor the thresholds and rollback triggers."),
        ("logs", "logs:logs", "Show the cart's errors from the logs of all replicas."),
        ("history", "runs.history:history", "List the environment's runs, newest first."),
        ("report", "runs.report:report", "Show the report of a run, step by step."),
        ("unlock", "runs.unlock:unlock", "Show who holds the lock, or release it."),
        ("cart", "cart:cart", "Price carts, show cart statistics and run cart jobs."),
        ("completion", "completion.command:completion", "Write the completion script for a shell."),
        ("config", "config:config", "Show, check and create the configuration file."),
        ("doctor", "setup.doctor:doctor", "Check this machine and the configured systems; change nothing."),
        ("flags", "flags:flags", "Show and set the cart's feature flags."),
        ("migrate", "migrate:migrate", "Show, apply and verify the database migrations."),
        ("notify", "notify:notify", "Send test messages to the notifiers."),
        ("rollout", "rollout:rollout", "Enable the feature over twenty days, company by company."),
        ("sandbox", "sandbox:sandbox", "Run a complete environment on this machine."),
        ("signoff", "signoff:signoff", "Request, record and verify approvals of a deployment."),
        ("snapshot", "snapshot:snapshot", "Create, verify, restore and prune database snapshots."),
    )
}


class LazyCommands(MutableMapping[str, Any]):
    """The commands by name, after those given; one is imported and built when it is first read."""

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        self._built: dict[str, Any] = dict(given or {})

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = _build(name, COMMANDS[name].target)
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*COMMANDS, *self._built))

    def __len__(self) -> int:
        return len(self._built.keys() | COMMANDS)


def _build(name: str, target: str) -> Any:
    """The command or group at `target`, as typer makes it."""
    module, _, attribute = target.partition(":")
    content: Any = getattr(import_module(module), attribute)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(content, typer.Typer):
        app.add_typer(content, name=name)
    else:
        app.command(name)(content)
    _move_examples(app)
    built: Any = typer.main.get_command(app)
    return built.commands[name] if hasattr(built, "commands") else built


class CommandWithExamples(TyperCommand):
    """A command whose help also has the global options, and whose epilog holds examples, which are never wrapped."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the command's options, then the global ones."""
        super().format_options(ctx, formatter)
        _format_global_options(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the framework's signature
        """Write the examples below the options."""
        _write_examples(self.epilog, formatter)


class GroupWithExamples(TyperGroup):
    """A group with the global options in its help, and with examples where it is also a command by itself."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the group's options and commands, then the global options."""
        super().format_options(ctx, formatter)
        _format_global_options(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the framework's signature
        """Write the examples below the commands."""
        _write_examples(self.epilog, formatter)


def _write_examples(examples: str | None, formatter: Any) -> None:
    if examples:
        with formatter.section("Examples"):
            for line in examples.splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _format_global_options(ctx: Any, formatter: Any) -> None:
    """Write the root's options, without their long explanations; `--help` and `--version` are not repeated."""
    root = ctx.find_root()
    shown = [one for one in root.command.params if one.name not in {"help", "_version"} and not one.hidden]
    records = [record for one in shown if (record := one.get_help_record(root)) is not None]
    if root is not ctx and records:
        with formatter.section("Global options"):
            formatter.write_dl(records)


def _move_examples(app: typer.Typer) -> None:
    """Move the Examples section of each docstring, below all groups too, to where it keeps its lines."""
    for command in app.registered_commands:
        command.cls = CommandWithExamples
        text, examples = _split_examples(command.callback)
        if examples:
            command.help, command.epilog = text, examples
    for group in app.registered_groups:
        below = group.typer_instance
        if below is not None:
            own = below.registered_callback
            text, examples = _split_examples(own.callback if own else None)
            group.cls = GroupWithExamples
            if examples:
                group.help, group.epilog = text, examples
            _move_examples(below)


def _split_examples(function: Callable[..., Any] | None) -> tuple[str, str]:
    """A function's docstring without its examples, and these, one per line."""
    text, _, examples = (inspect.getdoc(function) or "").partition(EXAMPLES)
    return text, "\n".join(line.strip() for line in examples.splitlines())
