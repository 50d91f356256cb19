"""The response to a shell: the words of its line in, one candidate per line out. It never fails and never writes to stderr."""

import gc
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cartctl.commands.completion.candidates import Candidate, complete

_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def respond(load_root: Callable[[], Any], arguments: Sequence[str]) -> None:
    """Write the candidates for `SHELL WORDS…` (bash: `SHELL WORDBREAKS LINE`) to stdout.

    `load_root` gives the app's root command. Whatever goes wrong, there are no candidates.
    """
    gc.disable()  # the process ends at once
    try:
        text = "".join(f"{line}\n" for line in _response(load_root(), *arguments))
    except BaseException:  # noqa: BLE001 - a message would end up in the command line that is being typed
        text = ""
    try:
        os.write(sys.__stdout__.fileno() if sys.__stdout__ else 1, text.encode("utf-8", "replace"))
    except OSError:
        return  # the shell has stopped reading


def _response(root: Any, shell: str, *words: str) -> list[str]:
    breaks, typed = "", list(words)
    if shell == "bash":
        breaks, line = words
        typed = split(line)
    candidates = complete(root, typed[1:-1], typed[-1])
    if candidates is None:
        return ["files:"]
    return [_line(shell, one, _broken_off(typed[-1], breaks)) for one in candidates]


def split(line: str) -> list[str]:
    """The words of an unfinished command line; the last is the one being typed, empty after a space."""
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        return [*words, ""] if line[-1:].isspace() and not closing else words
    return line.split()


def _broken_off(word: str, breaks: str) -> int:
    """How many characters of a word bash has already set aside: it replaces only what follows its last word break."""
    return max((word.rfind(mark) + 1 for mark in ":=" if mark in breaks), default=0)


def _line(shell: str, candidate: Candidate, offset: int) -> str:
    value, text = candidate
    text = _LINE.sub(" ", text)
    if shell == "bash":
        return f"value:{value[offset:]}"
    if shell == "fish":
        return f"value:{value}\t{text}"
    return f"value:{value.replace(chr(92), chr(92) * 2).replace(':', chr(92) + ':')}:{text}"
