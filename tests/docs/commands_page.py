"""docs/commands.md: every command with its options and examples, read from the app itself."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from cartctl.checks.preflight.skips import CHECKS, NEVER_SKIPPED
from cartctl.cli import app
from tests.docs.markdown import anchor, block, code, table, text_of, title

INTRODUCTION = (
    "Global options are accepted anywhere on the command line. Results go to stdout, everything else to stderr. "
    "With `-o json` each result is a [JSON document](json.md); the [exit code](exit-codes.md) tells how a command ended."
)


def page() -> str:
    """The page's text."""
    root: Any = typer.main.get_command(app)
    leaves = list(_leaves(root, ("cartctl",)))
    lines = title("Commands", INTRODUCTION)
    lines += table(
        ("command", "purpose"), ((f"[`{name}`]({anchor(name)})", _first(one)) for name, one in leaves)
    )
    lines += ["## Global options", "", *_options(root)]
    for name, command in leaves:
        lines += [f"## {name}", "", *_paragraphs(command), "", *_usage(name, command), *_options(command)]
        if name == "cartctl preflight":
            lines += table(("check", "verifies"), map(_check, CHECKS.items()))
        lines += block("console", command.epilog.splitlines())
    return text_of(lines)


def _check(entry: tuple[str, str]) -> tuple[str, str]:
    name, text = entry
    return code(name), text + (" (never skipped)" if name in NEVER_SKIPPED else "")


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, below in getattr(command, "commands", {}).items():
        if getattr(below, "invoke_without_command", False):
            yield " ".join((*path, name)), below
        if hasattr(below, "commands"):
            yield from _leaves(below, (*path, name))
        else:
            yield " ".join((*path, name)), below


def _first(command: Any) -> str:
    return str(command.help).partition("\n")[0]


def _paragraphs(command: Any) -> list[str]:
    """The help text, one line per paragraph."""
    return "\n".join(
        " ".join(paragraph.split()) + "\n" for paragraph in inspect.cleandoc(command.help).split("\n\n")
    ).splitlines()


def _usage(name: str, command: Any) -> list[str]:
    pieces = command.collect_usage_pieces(typer.Context(command))
    return [code(" ".join((name, *pieces))), ""]


def _options(command: Any) -> list[str]:
    """Each argument and option as `--help` shows it, except --help itself."""
    context = typer.Context(command)
    records = [one.get_help_record(context) for one in command.params]
    return table(
        ("argument or option", "meaning"), ((code(names), text) for names, text in filter(None, records))
    )
