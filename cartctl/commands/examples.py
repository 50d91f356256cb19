"""The Examples section of a command's help, taken from its docstring and shown line by line."""

import inspect
from typing import Any

import typer
from typer.core import TyperCommand

HEADING = "\n\nExamples:\n"


class CommandWithExamples(TyperCommand):
    """A command whose epilog holds examples, one command line each, which are never wrapped."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the framework's signature
        """Write the examples below the options."""
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def move_examples(app: typer.Typer) -> None:
    """Move the Examples section of each docstring, below all groups too, to where it keeps its lines."""
    for command in app.registered_commands:
        text, heading, examples = (inspect.getdoc(command.callback) or "").partition(HEADING)
        if heading:
            command.cls = CommandWithExamples
            command.help = text
            command.epilog = "\n".join(line.strip() for line in examples.splitlines())
    for group in app.registered_groups:
        if group.typer_instance is not None:
            move_examples(group.typer_instance)
