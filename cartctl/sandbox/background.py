"""Programs that go on running when the command ends: started in a session of their own, known again before they are ended."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from cartctl.adapters.effects import effect
from cartctl.sandbox.layout import read_json, write_atomic

ENDING_SECONDS = 8.0


class Program:
    """A detached program by its command line, whose process id is kept in a file."""

    def __init__(self, name: str, argv: Sequence[str], kept: Path, log: Path) -> None:
        self._name, self._argv, self._kept, self._log = name, list(argv), kept, log

    def process(self) -> psutil.Process | None:
        """The living process, or None. A process with the kept number but another command line is a stranger's."""
        try:
            process = psutil.Process(int((read_json(self._kept) or {})["pid"]))
            ours = process.cmdline() == self._argv and process.status() != psutil.STATUS_ZOMBIE
        except (KeyError, TypeError, ValueError, psutil.Error):
            return None
        return process if ours else None

    def start(self) -> None:
        """Start it, detached from this terminal and command."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with effect(f"sandbox.start_{self._name}"), self._log.open("ab") as log:
            child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            write_atomic(self._kept, f'{{"pid": {child.pid}}}')
        child.returncode = 0  # it is not waited for: it outlives this command

    def stop(self) -> None:
        """End it, by force when it does not listen."""
        process = self.process()
        if process is None:
            return
        with effect(f"sandbox.stop_{self._name}"):
            process.terminate()
            for left in psutil.wait_procs([process], timeout=ENDING_SECONDS)[1]:
                left.kill()
                psutil.wait_procs([left], timeout=1)

    def wait_until_gone(self, seconds: float) -> None:
        """Wait for an end that somebody else asked for."""
        deadline = time.monotonic() + seconds
        while self.process() is not None and time.monotonic() < deadline:
            time.sleep(0.05)
