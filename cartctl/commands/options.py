"""The options every command shares, and what they lead to: the environment, and where results go."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartctl.config.model import Environment

_WITH_VALUE = ("--env", "--config", "--output", "-o")
_FLAGS = ("--quiet", "-q", "--verbose", "-v", "--debug", "--no-color")


class Output(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"


def hoist(args: list[str]) -> list[str]:
    """Move the global options to the front, so that they may stand anywhere before a `--`."""
    end = args.index("--") if "--" in args else len(args)
    front: list[str] = []
    rest: list[str] = []
    queue = iter(args[:end])
    for arg in queue:
        if arg in _WITH_VALUE:
            front += [arg, *[value for value in [next(queue, None)] if value is not None]]
        elif arg in _FLAGS or arg.startswith(tuple(f"{name}=" for name in _WITH_VALUE[:3])):
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
        pairs = zip(args, [*args[1:], ""], strict=True)
        return any(
            (a in {"-o", "--output"} and b == "json") or a in {"-ojson", "--output=json"} for a, b in pairs
        )

    def environment(self) -> "Environment":
        """The environment asked for. Raises ConfigError."""
        from cartctl.config.load import load_environment

        return load_environment(self.config, self.env)

    def show(self, result: Any) -> None:
        """Write a result to stdout, as text or JSON."""
        if self.output is Output.JSON:
            from cartctl.render.json import write
        else:
            from cartctl.render.text import write
        write(result, sys.stdout)
