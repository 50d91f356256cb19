"""The entry point of `cartctl` and `python -m cartctl`."""

import os
import signal
import sys
from types import FrameType
from typing import Any


def main() -> None:
    """Run one command line.

    A signal during loading, or after the command has ended, ends it silently, where Python would show a traceback; one that was
    ignored at start stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    if sys.argv[1:2] == ["__complete"]:
        from cartctl.commands.completion.respond import respond

        respond(_root, sys.argv[2:])
        os._exit(0)  # nothing to clean up, and a person waits
    from cartctl.cli import main as run

    run()


def _root() -> Any:
    import typer

    from cartctl.cli import app

    return typer.main.get_command(app)


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
