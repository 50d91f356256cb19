"""Command lines in hints, written so that they work where this command was started."""

import re
import shutil
import sys
from pathlib import Path
from shlex import quote

_CALL = re.compile(r"\bcartctl (?=[a-z])")


def as_started(text: str) -> str:
    """Command lines with the program and the `--config` of this process's own; unchanged in another program.

    The program's path is omitted where its name is on PATH.
    """
    own = Path(sys.argv[0])
    if own.name != "cartctl":
        return text
    reached = shutil.which("cartctl")
    by_name = reached is not None and own.exists() and Path(reached).samefile(own)
    call = " ".join(["cartctl" if by_name else quote(sys.argv[0]), *_configuration(sys.argv[1:])])
    return _CALL.sub(lambda _: f"{call} ", text)


def _configuration(args: list[str]) -> list[str]:
    for at, arg in enumerate(args):
        if arg == "--config" and at + 1 < len(args):
            return ["--config", quote(args[at + 1])]
        if arg.startswith("--config="):
            return [quote(arg)]
    return []
