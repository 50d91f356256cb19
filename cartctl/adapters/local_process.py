"""Local processes by PID: find a running one, and wait for its end.

A PID alone is not enough, because PIDs are reused; the command line identifies the process.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

POLL_EVERY = 0.02  # seconds


def running_process(pid: int, ours: Callable[[Sequence[str]], bool]) -> "psutil.Process | None":
    """The process `pid` if it lives and its command line is `ours`. Read-only."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process if ours(process.cmdline()) else None
    except (psutil.Error, ValueError):
        return None


def ended(process: "psutil.Process", seconds: float) -> bool:
    """Wait at most that long for a process to end; whether it has. A zombie counts as ended."""
    import psutil

    deadline = time.monotonic() + seconds
    while True:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_EVERY)
