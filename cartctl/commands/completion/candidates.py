"""What may follow on a command line: subcommands, options and values, found by walking the app as its parser does."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cartctl.commands.completion.values import Selection, values_for


class Candidate(NamedTuple):
    """A word that may follow, with a short description."""

    value: str
    text: str = ""


class _Position:
    """Where a command line has arrived: the command, its path, the options given and the number of arguments."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.command = root
        self.path: tuple[str, ...] = ()
        self.given: dict[str, str] = {}  # parameter name → value
        self.arguments = 0
        self.pending: Any = None  # the option whose value comes next
        self.literal = False  # behind a `--`

    def read(self, word: str) -> None:
        """Take one complete word."""
        if self.pending is not None:
            self.given[self.pending.name], self.pending = word, None
        elif word == "--" and not self.literal:
            self.literal = True
        elif word.startswith("-") and word != "-" and not self.literal:
            name, assigned, value = word.partition("=")
            option = self.option(name)
            if option is not None:
                self.given[option.name] = value
                self.pending = None if option.is_flag or assigned else option
        elif hasattr(self.command, "commands"):
            self.command, self.path = self.command.commands[word], (*self.path, word)
        else:
            self.arguments += 1

    def options(self) -> Iterator[Any]:
        """The command's options, then the global ones, which are accepted everywhere."""
        known = dict.fromkeys((*self.command.params, *self.root.params))
        return (one for one in known if one.param_type_name == "option" and not one.hidden)

    def option(self, name: str) -> Any:
        """The option of a name such as `--env` or `-o`; None for an unknown one."""
        return next((one for one in self.options() if name in (*one.opts, *one.secondary_opts)), None)

    def argument(self) -> Any:
        """The argument whose value comes next; None when there are enough."""
        arguments = [one for one in self.command.params if one.param_type_name == "argument"]
        if arguments and arguments[-1].nargs == -1:
            return arguments[min(self.arguments, len(arguments) - 1)]
        return arguments[self.arguments] if self.arguments < len(arguments) else None


def complete(root: Any, words: Sequence[str], incomplete: str) -> list[Candidate] | None:
    """Candidates for `incomplete` behind the complete `words` of the command `root`; None where a file is expected.

    Raises KeyError for an unknown command.
    """
    position = _Position(root)
    for word in words:
        position.read(word)
    if position.pending is not None:
        return _values(position, position.pending, incomplete)
    if incomplete.startswith("-") and not position.literal:
        return _options(position, incomplete)
    if hasattr(position.command, "commands"):
        return [one for one in _commands(position) if one.value.startswith(incomplete)]
    argument = position.argument()
    return [] if argument is None else _values(position, argument, incomplete)


def _commands(position: _Position) -> Iterator[Candidate]:
    from cartctl.commands import COMMANDS

    if not position.path:  # none of them is imported
        yield from (Candidate(name, entry.summary) for name, entry in COMMANDS.items())
        return
    for name, command in position.command.commands.items():
        yield Candidate(name, command.get_short_help_str(limit=100))


def _options(position: _Position, incomplete: str) -> list[Candidate] | None:
    name, assigned, value = incomplete.partition("=")
    option = position.option(name) if assigned else None
    if option is not None:
        values = _values(position, option, value)
        return None if values is None else [Candidate(f"{name}={one.value}", one.text) for one in values]
    return [
        Candidate(spelling, (one.help or "").partition("\n")[0])
        for one in position.options()
        if one.multiple or one.name not in position.given
        for spelling in (*one.opts, *one.secondary_opts)
        if spelling.startswith("--") and spelling.startswith(incomplete)
    ]


def _values(position: _Position, parameter: Any, incomplete: str) -> list[Candidate] | None:
    described = parameter.type_descriptor
    if described.is_choice and described.choices is not None:
        choices = (str(getattr(choice, "value", choice)) for choice in described.choices)
        return [Candidate(choice) for choice in choices if choice.startswith(incomplete)]
    selection = Selection(position.given.get("env"), position.given.get("config"))
    path = () if parameter in position.root.params else position.path
    provider = values_for((*path, parameter.name))
    known: list[tuple[str, str]] = []
    if provider is not None:
        with contextlib.suppress(OSError, ValueError):
            known = list(provider(selection))
    matching = [Candidate(*one) for one in known if one[0].startswith(incomplete)]
    takes_files = described.is_path or re.search("FILE|DIR", parameter.metavar or "")
    return None if takes_files and not matching else matching
