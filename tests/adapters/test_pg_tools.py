"""PostgreSQL's tools: the right version found, run, stopped, and never shown a password on their command line."""

import os
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server import pg_tools
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.adapters.programs import Program, ProgramFailed, for_at_most, inherited, run
from cartctl.errors import ConfigError, Interrupted
from tests.services import Server

PASSWORD = "s3cret-of-the-deployer"


@pytest.fixture
def locked_table(platform_database: Postgres) -> Iterator[Postgres]:
    """A database in which somebody holds companies, so that a dump of it waits."""
    with platform_database.session("tests", autocommit=False) as holder:
        holder.execute("LOCK TABLE companies IN ACCESS EXCLUSIVE MODE")
        yield platform_database


def test_the_tools_of_the_servers_major_version_are_found(server: Server) -> None:
    """Each supported server finds tools of its own major version."""
    with server.database("postgres").session("tests") as connection:
        tools = find_tools(connection.info.server_version)
    assert tools.version.partition(".")[0] == str(server.version)


def test_missing_tools_are_named_with_those_that_were_found() -> None:
    """A server without matching tools gets the versions found, the one needed and the package's name."""
    with pytest.raises(ConfigError) as caught:
        find_tools(990001)
    assert "requires pg_dump of PostgreSQL 99" in caught.value.message
    assert "18." in caught.value.message
    assert "postgresql-client-99" in caught.value.hint


def test_a_tool_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken pg_dump earlier on PATH does not hide a working one."""
    for name in ("pg_dump", "pg_restore"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_tools(180001).bin != tmp_path


def test_a_program_is_started_once_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The preflight and the dump look for the tools in turn; each start costs about 30 ms. A changed program counts anew."""
    starts = tmp_path / "starts"
    for name in ("pg_dump", "pg_restore"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho x >> {starts}\necho 'pg_dump (PostgreSQL) 18.7'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert [find_tools(180001).version for _ in range(3)] == ["18.7"] * 3
    assert starts.read_text() == "x\n"
    os.utime(tmp_path / "pg_dump", (1, 1))
    find_tools(180001)
    assert starts.read_text() == "x\nx\n"


def test_a_directory_that_cannot_be_looked_into_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of PATH that the system refuses to look at stops nothing."""
    monkeypatch.setenv("PATH", "/" + "x" * 300, prepend=":")
    assert find_tools(180001).version.startswith("18.")


def test_a_dump_holds_the_tables_requested(platform_database: Postgres, tmp_path: Path) -> None:
    """Only the named tables are in a dump of named tables, capitals in their names included."""
    with platform_database.session("tests") as connection:
        connection.execute('CREATE TABLE "Mixed Case" (id int)')
    tools = find_tools(180001)
    tools.dump(platform_database, tmp_path / "dump", tables=['public."Mixed Case"', "public.sites"])
    listed = tools.list(tmp_path / "dump")
    assert "TABLE DATA public Mixed Case" in listed
    assert "TABLE DATA public sites" in listed
    assert "companies" not in listed


def test_a_failed_dump_says_what_the_tool_said(platform_database: Postgres, tmp_path: Path) -> None:
    """The error carries the tool's name, exit code and the end of its stderr."""
    with pytest.raises(ProgramFailed, match=r"pg_dump failed \(exit code 1\): .*no matching tables"):
        find_tools(180001).dump(platform_database, tmp_path / "dump", tables=["nowhere.nothing"])


def test_a_dump_waits_for_locks_no_longer_than_configured(locked_table: Postgres, tmp_path: Path) -> None:
    """A held lock fails the dump after the time limit instead of hanging."""
    under_way = time.monotonic()
    with pytest.raises(ProgramFailed, match="LOCK TABLE"):
        find_tools(180001).dump(locked_table, tmp_path / "d", lock_wait_timeout=timedelta(milliseconds=200))
    assert time.monotonic() - under_way < 60


def test_a_dump_that_is_cancelled_ends_with_its_workers(locked_table: Postgres, tmp_path: Path) -> None:
    """What the waiting raises stops pg_dump at once, and no process of its group is left."""
    seen: list[int] = []

    def attend(program: Program) -> None:
        seen.append(program.pid)
        raise Interrupted("Ctrl-C")

    with pytest.raises(Interrupted):
        find_tools(180001).dump(locked_table, tmp_path / "dump", jobs=2, attend=attend)
    assert _gone(seen[0])


def test_a_program_that_ignores_the_request_to_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL follows SIGTERM, for the whole group."""
    monkeypatch.setattr("cartctl.adapters.programs.GRACE", 0.2)
    seen: list[int] = []

    def attend(program: Program) -> None:
        seen.append(program.pid)
        program.wait(0.3)

    with pytest.raises(ProgramFailed, match="took longer than"):
        run(["sh", "-c", "trap '' TERM; sleep 60 & while :; do sleep 60; done"], inherited(), attend)
    assert _gone(seen[0])


def test_the_environment_of_others_programs_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is handed the scrubbed environment does not see our variables."""
    monkeypatch.setenv("CART_DSN", PASSWORD)
    assert PASSWORD not in run(["env"], inherited(), for_at_most(timedelta(seconds=5)))


def test_the_password_is_never_on_the_command_line(locked_table: Postgres, tmp_path: Path) -> None:
    """While pg_dump runs, no command line of its processes shows the password, and its environment carries it."""
    dsn = make_conninfo(locked_table.dsn, password=PASSWORD)
    lines: list[bytes] = []
    environments: list[bytes] = []

    def attend(program: Program) -> None:
        lines.extend(_cmdline(path) for path in _group(program.pid))
        environments.append(Path(f"/proc/{program.pid}/environ").read_bytes())
        raise Interrupted("seen")

    with pytest.raises(Interrupted):
        find_tools(180001).dump(Postgres(dsn), tmp_path / "dump", attend=attend)
    assert lines
    assert all(PASSWORD.encode() not in line for line in lines)
    assert f"PGPASSWORD={PASSWORD}".encode() in environments[0]


def test_a_secret_that_only_a_command_line_could_carry_is_refused() -> None:
    """A DSN with sslpassword is refused rather than shown in the process list."""
    with pytest.raises(ConfigError, match="sslpassword"):
        Postgres("host=/nowhere sslpassword=abc").for_tools()


def test_looking_for_tools_loads_no_embedded_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded package's directories are found without importing it."""
    import sys

    monkeypatch.delitem(sys.modules, pg_tools.EMBEDDED, raising=False)
    assert pg_tools._embedded()
    assert pg_tools.EMBEDDED not in sys.modules


def test_a_stop_from_another_thread_ends_the_waiting(locked_table: Postgres, tmp_path: Path) -> None:
    """An alarm's thread may stop the program; whoever waits sees it end."""

    def attend(program: Program) -> None:
        threading.Timer(0.1, program.stop).start()
        program.wait(10)

    with pytest.raises(ProgramFailed, match=r"signal 15|terminated by user"):
        find_tools(180001).dump(locked_table, tmp_path / "dump", attend=attend)


def _processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def _group(leader: int) -> list[Path]:
    """Processes of a group that still run."""
    return [path for path in _processes() if _stat(path)[2:3] == [str(leader)] and _stat(path)[0] != "Z"]


def _stat(path: Path) -> list[str]:
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["Z"]


def _cmdline(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""


def _gone(leader: int) -> bool:
    """Whether a group's processes end within two seconds; a killed one may take a moment."""
    end = time.monotonic() + 2
    while _group(leader):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
