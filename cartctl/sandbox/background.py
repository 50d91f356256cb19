"""Programs that outlive the command: started in their own session, and identified before they are stopped."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cartctl.adapters.effects import effect
from cartctl.adapters.local_process import ended, running_process
from cartctl.private_files import UMASK, append_private, write_private
from cartctl.sandbox.layout import Layout, read_json

if TYPE_CHECKING:
    import psutil

ENDING_SECONDS = 8.0


class Program:
    """A detached program whose process id is stored in a file; `mark` is a word that only its command line has."""

    def __init__(self, name: str, argv: Sequence[str], *, mark: str, layout: Layout) -> None:
        self._name, self._argv, self._mark = name, list(argv), mark
        self._kept = layout.directory / f"{name}.process"
        self._log = layout.logs / f"{name}.log"

    def process(self) -> "psutil.Process | None":
        """The running process, or None. A process with the saved PID but without the mark is another program's."""
        pid = (read_json(self._kept) or {}).get("pid")
        return (
            running_process(pid, lambda arguments: self._mark in arguments) if isinstance(pid, int) else None
        )

    def start(self) -> None:
        """Start the program, detached from this terminal and command."""
        from cartctl.adapters.postgres.libpq_environment import without_libpq

        with effect(f"sandbox.start_{self._name}"), os.fdopen(append_private(self._log), "ab") as log:
            child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=UMASK,
                env={**without_libpq(os.environ), "PYTHONUNBUFFERED": "1"},
            )
            write_private(self._kept, f'{{"pid": {child.pid}}}')
        child.returncode = 0  # not waited for: it outlives this command

    def stop(self) -> None:
        """Stop the program with SIGTERM, then with SIGKILL."""
        process = self.process()
        if process is None:
            return
        with effect(f"sandbox.stop_{self._name}"):
            process.terminate()
            if not ended(process, ENDING_SECONDS):
                process.kill()
                ended(process, ENDING_SECONDS)

    def kill(self) -> bool:
        """Kill the program at once, like a crash. False when it does not run."""
        process = self.process()
        if process is None:
            return False
        with effect(f"sandbox.kill_{self._name}"):
            process.kill()
            return ended(process, ENDING_SECONDS)


def supervisor(layout: Layout) -> Program:
    """The sandbox's supervisor as a program."""
    argv = [sys.executable, "-m", "cartctl.sandbox.supervisor", str(layout.directory)]
    return Program("supervisor", argv, mark=str(layout.directory), layout=layout)
