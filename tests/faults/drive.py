"""Runs a `cartctl` command line and kills it at one point: `python -m tests.faults.drive POINT COUNT_FILE ARG…`.

A point is `EFFECT#N:before|after`, the N-th time that effect is passed; empty for none. `EFFECT#N:before!` raises an exception there
that no code expects, instead. The points passed are written to COUNT_FILE, one per line.
"""

import os
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

from cartctl.adapters import effects
from cartctl.cli import main


class Killer:
    """Counts the effects of this process by name; kills it at the given one."""

    def __init__(self, point: str, count_file: Path) -> None:
        self._point = point
        self._counts: Counter[str] = Counter()
        self._guard = threading.Lock()
        self._file = count_file.open("a", encoding="utf-8", buffering=1)

    def __call__(self, name: str, moment: str) -> None:
        """One effect begins or has ended."""
        with self._guard:
            self._counts[name] += moment == "before"
            here = f"{name}#{self._counts[name]}:{moment}"
            self._file.write(here + "\n")
        if here == self._point:
            os.kill(os.getpid(), signal.SIGKILL)
        if f"{here}!" == self._point:
            raise TypeError(here)


if __name__ == "__main__":
    effects.probe = Killer(sys.argv[1], Path(sys.argv[2]))
    sys.argv = ["cartctl", *sys.argv[3:]]
    main()
