"""`doctor` with real servers: whatever is configured is checked, and each fault is named with what to do."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartctl.adapters.postgres import Postgres
from cartctl.checks.doctor import machine, systems
from cartctl.cli import app
from cartctl.engine.model import Verdict
from tests.sandbox_fixture import Sandbox
from tests.services import Server
from tests.web import Reply, WebRequest, serve


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration and no variables of this machine."""
    for name in [name for name in os.environ if name.startswith("CARTCTL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def diagnosed(*args: str) -> tuple[int, dict[str, Mapping[str, Any]]]:
    """The exit code of `doctor`, and each result by its name."""
    done = CliRunner().invoke(app, ["doctor", "-o", "json", "--quiet", *args])
    return done.exit_code, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def write(text: str) -> None:
    """A configuration file in the working directory."""
    Path("cartctl.toml").write_text(text)


def test_without_a_configuration_the_machine_is_checked() -> None:
    """A missing file only warns; versions, directory and disk are checked."""
    code, checks = diagnosed()
    assert code == 0
    assert checks["configuration"]["verdict"] == "warn"
    assert "cartctl config init" in checks["configuration"]["hint"]
    assert {"versions.cartctl", "versions.python", "state", "disk"} <= checks.keys()


def test_a_wrong_configuration_hides_nothing() -> None:
    """The fault is a failure with its line and the nearest key; the machine is checked all the same."""
    write('[env.shop.database]\ndns = "x"\n')
    done = CliRunner().invoke(app, ["doctor", "--quiet"])
    assert done.exit_code == 7
    assert "did you mean `dsn`" in done.stdout
    assert "pass  disk" in done.stdout


def test_an_unknown_environment_is_named() -> None:
    """With the one that was probably meant."""
    write('[env.shop.database]\ndsn = "host=127.0.0.1"\n')
    code, checks = diagnosed("--env", "shopp")
    assert code == 7
    assert "did you mean 'shop'" in checks["configuration"]["observed"]


def test_a_database_alone_is_enough(pg15: Server) -> None:
    """Connection, version, permissions, clock and tools of a configuration without any other section."""
    write(f'[env.shop.database]\ndsn = "{pg15.dsn}"\n')
    code, checks = diagnosed()
    assert code == 0, checks
    assert {
        "database.version",
        "database.journal",
        "database.create",
        "clock.database",
        "tools",
    } <= checks.keys()
    assert "not configured: cluster, http" in checks["sections"]["observed"]


def test_missing_permissions_fail_with_the_script(pg15: Server) -> None:
    """A role that may write neither the journal nor tables."""
    with Postgres(pg15.dsn).session("test") as connection:
        connection.execute("CREATE ROLE doctor_reader LOGIN")
    write(f'[env.shop.database]\ndsn = "{pg15.dsn} user=doctor_reader"\n')
    try:
        code, checks = diagnosed()
    finally:  # other tests compare the server's roles
        with Postgres(pg15.dsn).session("test") as connection:
            connection.execute("DROP ROLE doctor_reader")
    assert code == 7
    assert checks["database.journal"]["verdict"] == "fail"
    assert "roles.sql" in checks["database.journal"]["hint"]


def test_what_does_not_respond_is_unknown_or_failed_and_hides_nothing() -> None:
    """A closed port for each system: the exit code says that something is wrong, every part has its line."""
    write(
        '[env.shop.database]\ndsn = "host=127.0.0.1 port=1"\n[env.shop.http]\napi = "http://127.0.0.1:1"\n'
        '[env.shop.cache]\nredis = "redis://127.0.0.1:1/0"\n'
    )
    code, checks = diagnosed()
    assert code == 7
    assert checks["database"]["verdict"] == "unknown"
    assert checks["api"]["verdict"] == "fail"
    assert checks["redis"]["verdict"] in {"fail", "unknown"}


def test_programs_of_the_configuration_are_searched() -> None:
    """Each by the key that names it."""
    write(
        '[env.shop.database]\ndsn = "host=127.0.0.1 port=1"\n'
        '[env.shop.preflight]\ncommands = [["no-such-linter", "--all"], ["sh", "-c", "true"]]\n'
    )
    _, checks = diagnosed()
    assert checks["programs.no-such-linter"]["verdict"] == "fail"
    assert "preflight.commands" in checks["programs.no-such-linter"]["hint"]
    assert checks["programs.sh"]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("minutes", "verdict"), ((0, Verdict.PASS), (0.5, Verdict.WARN), (5, Verdict.FAIL), (-5, Verdict.FAIL))
)
def test_a_clock_that_is_wrong_is_named(minutes: float, verdict: Verdict) -> None:
    """From the Date header of a real server: half a minute warns, five minutes fail, in both directions."""
    later = datetime.now(UTC) + timedelta(minutes=minutes)
    [result] = systems.check_clock("clock.api", lambda: later)
    assert result.verdict is verdict


def test_the_api_s_clock_is_its_date_header() -> None:
    """As the server sends it; one without a time is unknown, never a pass."""
    from cartctl.adapters.http.client import Http

    def answer(_: WebRequest) -> Reply:
        return Reply({"ok": True})

    with serve(answer) as web:
        theirs = systems.api_time(Http(web.url))
    assert theirs is not None
    assert abs((theirs - datetime.now(UTC)).total_seconds()) < 60
    [result] = systems.check_clock("clock.api", lambda: None)
    assert result.verdict is Verdict.UNKNOWN


def test_a_directory_that_others_can_read_warns(tmp_path: Path) -> None:
    """With the command that closes it."""
    (tmp_path / "state").mkdir(mode=0o755)
    [result] = machine.check_state()
    assert (result.verdict, result.hint) == (Verdict.WARN, f"chmod 700 {tmp_path / 'state'}")


def test_a_whole_environment_passes(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each section of the sandbox, its cluster, application and metrics among them."""
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(sandbox.state_directory))
    code, checks = diagnosed("--env", "sandbox")
    assert code == 0, {name: one for name, one in checks.items() if one["verdict"] not in {"pass", "warn"}}
    assert {"cluster.reachable", "api", "token", "dashboard", "clock.api", "clock.database"} <= checks.keys()
