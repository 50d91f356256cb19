"""The way in: `cartctl`, and `python -m cartctl`."""

import os
import signal
from types import FrameType


def main() -> None:
    """Run one command line.

    A signal while it is still being loaded, or once the command has ended, ends it without a word, where Python would
    show a traceback; one that was ignored at start stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    from cartctl.cli import main as run

    run()


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
