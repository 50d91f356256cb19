"""What another environment has proved: a real deployment there, its rollback, and its journal as a file."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cartctl.sandbox.names import DATABASE
from tests.sandbox_fixture import Sandbox
from tests.services import Server, long

OTHER = """
[env.live]
proved_on = "sandbox"
[env.live.database]
dsn = "{dsn}"
[env.live.cluster]
kind = "kubernetes"
[env.live.release]
api = {{ "payment-api.api" = "2.0.0" }}
frontend = {{ "admin-dashboard.web" = "2.0.0" }}
[env.live.http]
api = "http://127.0.0.1:1"
"""


class Team:
    """A configuration with the sandbox, which is deployed for real, and an environment that it must prove."""

    def __init__(self, home: Path, sandbox: Sandbox, dsn: str) -> None:
        self.home = home
        self.config = home / "cartctl.toml"
        own = sandbox.layout.config.read_text(encoding="utf-8")
        self.config.write_text(own + OTHER.format(dsn=dsn), encoding="utf-8")

    def __call__(
        self, *argv: str, env: str = "sandbox", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command line."""
        command = [sys.executable, "-m", "cartctl", *argv, "--config", str(self.config), "--env", env]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            env={**os.environ, **variables},
        )

    def proof(self, **variables: str) -> dict[str, Any]:
        """The result of the check, by field, with the exit code."""
        done = self("preflight", "--only", "proof", "-o", "json", env="live", **variables)
        [check] = json.loads(done.stdout)["checks"]
        return {**check, "exit_code": done.returncode}

    def write(self, before: str, after: str) -> None:
        """Change the configuration."""
        text = self.config.read_text(encoding="utf-8")
        assert before in text
        self.config.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def team(tmp_path: Path, sandbox: Sandbox, pg18: Server) -> Team:
    """Two environments with two databases."""
    return Team(tmp_path, sandbox, pg18.create_platform().dsn)


def test_staging_proves_what_it_has_deployed(team: Team, sandbox: Sandbox) -> None:
    """Nothing, another image, a failed run and a rolled back one prove nothing; each is named. Success passes, also as a file."""
    nothing = team.proof()
    assert (nothing["exit_code"], nothing["verdict"]) == (7, "fail")
    assert nothing["observed"] == "no deployment on sandbox"
    assert nothing["hint"] == "cartctl deploy --env sandbox"

    assert team("deploy", "--yes", "--monitor-for", "1s").returncode == 0
    passed = team.proof()
    assert (passed["exit_code"], passed["verdict"]) == (0, "pass"), passed
    assert passed["observed"].endswith("UTC: succeeded")
    run = passed["observed"].split()[1]
    elsewhere = f"dbname={DATABASE} host=127.0.0.1 port=1"
    assert team.proof(CARTCTL_DATABASE__DSN=elsewhere)["verdict"] == "pass"  # the variable is for `live`

    exported = team("report", run, "--journal", "staging.ndjson")
    assert exported.returncode == 0
    assert (team.home / "staging.ndjson").stat().st_mode & 0o777 == 0o600
    assert team("report", run, "--journal", ".").returncode == 2
    team.write('proved_on = "sandbox"', 'proved_on = "sandbox"\nproved_run = "staging.ndjson"')
    assert team.proof()["observed"] == passed["observed"]
    team.write('proved_on = "sandbox"', 'proved_on = "staging"')
    assert team.proof()["observed"] == "no deployment on staging"  # the file is of another environment
    team.write('proved_on = "staging"\nproved_run = "staging.ndjson"', 'proved_on = "sandbox"')

    team.write('"payment-api.api" = "2.0.0" }', '"payment-api.api" = "2.0.0-slow" }')
    other = team.proof()
    assert (other["verdict"], "without 2.0.0-slow" in other["observed"], run in other["observed"]) == (
        "fail",
        True,
        True,
    )
    team.write('"payment-api.api" = "2.0.0-slow" }', '"payment-api.api" = "2.0.0" }')

    assert team("rollback", "--yes").returncode == 0
    reverted = team.proof()
    assert (reverted["verdict"], f"run {run} on sandbox" in reverted["observed"]) == ("fail", True)
    assert "rolled back by run" in reverted["observed"]

    failing = team("deploy", "--yes", "--monitor-for", "1s", "--image", "payment-api=2.0.0-payments-down")
    assert failing.returncode == 4
    team.write('"payment-api.api" = "2.0.0" }', '"payment-api.api" = "2.0.0-payments-down" }')
    failed = team.proof()
    assert (failed["verdict"], failed["observed"].endswith(": rolled back")) == ("fail", True)


def test_what_cannot_be_read_is_unknown_or_named(team: Team) -> None:
    """An unreachable database, an unknown environment, the environment itself, a missing and a damaged file."""
    team.write(
        "[env.sandbox.database]",
        '[env.gone.database]\ndsn = "host=127.0.0.1 port=1 dbname=x"\n[env.sandbox.database]',
    )
    for name, verdict, observed in (
        ("gone", "unknown", "127.0.0.1"),
        ("nowhere", "fail", "has no environment 'nowhere'"),
        ("live", "fail", "proved_on refers to the environment itself"),
    ):
        team.write('proved_on = "', f'proved_on = "{name}" # "')
        result = team.proof()
        assert (result["verdict"], observed in str(result["observed"])) == (verdict, True), result
        team.write(f'proved_on = "{name}" # "', 'proved_on = "')
    team.write('proved_on = "sandbox"', 'proved_on = "sandbox"\nproved_run = "run.ndjson"')
    assert team.proof()["verdict"] == "unknown"
    (team.home / "run.ndjson").write_text('{"run": 1}\n', encoding="utf-8")
    damaged = team.proof()
    assert (damaged["verdict"], "run.ndjson, line 1" in damaged["observed"]) == ("unknown", True)


@long
def test_a_skipped_step_is_named(team: Team) -> None:
    """A deployment without its smoke tests proves less: the proof warns."""
    skip = ("--skip", "smoke", "--reason", "only the proof is tested", "--monitor-for", "1s")
    assert team("deploy", "--yes", *skip).returncode == 0
    warned = team.proof()
    assert (warned["verdict"], warned["observed"].endswith("succeeded without smoke")) == ("warn", True)
