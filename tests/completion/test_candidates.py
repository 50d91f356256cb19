"""Completion offers what the app accepts and what local files name, and stays silent about everything else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from cartctl.checks.preflight import NAMES
from cartctl.checks.preflight.skips import NEVER_SKIPPED
from cartctl.cli import app
from cartctl.commands.completion.candidates import complete
from cartctl.commands.completion.respond import split
from cartctl.commands.completion.values import CHECKS, PROVIDERS, REQUIRED_CHECKS, Selection, state_directory
from cartctl.config import load
from cartctl.config.load import load_environment

COMMAND = (sys.executable, "-m", "cartctl", "__complete")
ROOT: Any = typer.main.get_command(app)
BREAKS = " \t\n\"'><=;|&(:"
CONFIG = """
default_env = "staging"
[defaults.http]
suites = ["ops/smoke.toml"]
[env.staging.database]
dsn = "host=nowhere.invalid"
[env.staging.signoff]
roles = ["DBA", "QA Lead"]
[env.staging.http]
api = "http://127.0.0.1:1"
[env.production.database]
dsn = { env = "NOT_SET" }
snapshots = { url = "dumps" }
"""


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration file, a sandbox, and journals and snapshots of `staging`."""
    for name in [name for name in os.environ if name.startswith("CARTCTL_")]:
        monkeypatch.delenv(name)
    state = tmp_path / "state"
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(state))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cartctl.toml").write_text(CONFIG)
    (state / "sandbox/blue").mkdir(parents=True)
    (state / "sandbox/blue/cartctl.toml").write_text("")
    journal(state / "environments/staging-01234567/runs", "20261101-020000-aa11", "finished")
    journal(state / "environments/staging-01234567/runs", "20261102-020000-bb22", "started")
    journal(state / "environments/staging-old-89abcdef/runs", "20261103-020000-cc33", "started")
    snapshot(state / "environments/staging-01234567/snapshots/run-1")
    snapshot(tmp_path / "dumps/run-2")
    return tmp_path


def journal(directory: Path, run: str, event: str) -> None:
    """A run's journal whose last event is this one of the whole run."""
    directory.mkdir(parents=True, exist_ok=True)
    line = {"run": run, "at": "2026-11-01T02:00:00+00:00", "key": "run", "event": event, "data": {}}
    (directory / f"{run}.ndjson").write_text(json.dumps(line) + "\n")


def snapshot(directory: Path) -> None:
    """A snapshot's directory, as far as completion reads it."""
    directory.mkdir(parents=True)
    (directory / "manifest.json").write_text("{}")


def values(line: str) -> list[str] | None:
    """The candidates at the end of a command line."""
    *words, last = split(f"cartctl {line}")
    result = complete(ROOT, words[1:], last)
    return None if result is None else [one.value for one in result]


@pytest.mark.parametrize(
    ("line", "expected"),
    (
        ("roll", ["rollback", "rollout"]),
        ("--env staging snapshot ve", ["verify"]),
        ("snapshot verify --dr", ["--drill"]),
        ("history --e", ["--env"]),
        ("-o ", ["text", "json", "markdown"]),
        ("history --output=j", ["--output=json"]),
        ("history --env ", ["staging", "production", "sandbox", "sandbox:blue"]),
        ("--env sandbox:", ["sandbox:blue"]),
        ("report ", ["20261102-020000-bb22", "20261101-020000-aa11"]),
        ("rollback --run 20261101", ["20261101-020000-aa11"]),
        ("report --env production ", []),
        ("deploy --abandon ", ["20261102-020000-bb22"]),
        ("snapshot restore ", ["run-1"]),
        ("snapshot restore --env production ", ["run-2"]),
        ("snapshot prune run-1 ", ["run-1"]),
        ("smoke --suite ", ["built-in", "ops/smoke.toml"]),
        ("signoff add --role ", ["DBA", "QA Lead"]),
        ("deploy --skip prew", ["prewarm"]),
        ("deploy --skip mig", []),
        ("deploy --skip preflight.win", []),
        ("deploy --skip health.", []),
        ("deploy --skip preflight.dat", ["preflight.database"]),
        ("preflight --only data", ["database"]),
        ("flags set FEATURE_CART_MANAGEMENT o", ["on", "off"]),
        ("flags set FEATURE_C", ["FEATURE_CART_MANAGEMENT"]),
        ("config init --for ", ["smoke", "migrate", "deploy"]),
        ("smoke --junit ", None),
        ("smoke --suite ./", None),
        ("cart quote ", None),
        ("logs --since ", []),
        ("logs -- --env ", []),
    ),
)  # fmt: skip
def test_candidates(line: str, expected: list[str] | None) -> None:
    """Each kind of word is completed; None means that the shell offers files."""
    assert values(line) == expected


def test_an_option_that_was_given_is_not_offered_again() -> None:
    """Unless it may be repeated."""
    assert values("deploy --yes --ye") == []
    assert values("deploy --skip cdn --sk") == ["--skip"]


def test_every_list_agrees_with_the_product() -> None:
    """Names that completion knows without loading the product are the product's names, and each provider has its parameter."""
    assert set(CHECKS) == set(NAMES)
    assert REQUIRED_CHECKS == NEVER_SKIPPED
    assert state_directory() == load.state_directory()
    root = ROOT
    for *path, name in PROVIDERS:
        command = root
        for part in path:
            command = command.commands[part]
        assert name in {parameter.name for parameter in command.params}, (path, name)


def test_runs_are_where_the_journal_writes_them(files: Path) -> None:
    """The directory is the environment's own, derived from name and database."""
    own = load.environment_directory(load_environment(None, "staging")) / "runs"
    journal(own, "20261105-020000-ee55", "finished")
    assert own in list(Selection("staging", None).directories("runs"))
    assert values("report 20261105") == ["20261105-020000-ee55"]


@pytest.mark.parametrize(
    "damage",
    (
        lambda here: (here / "cartctl.toml").write_text("no [toml"),
        lambda here: (here / "cartctl.toml").write_bytes(b"\xff\xfe"),
        lambda here: (here / "cartctl.toml").write_text("env = 3"),
        lambda here: (here / "state/environments/staging-01234567/runs/x.ndjson").write_text("{"),
    ),
)
@pytest.mark.parametrize(
    "line", ("history --env ", "deploy --abandon ", "snapshot restore ", "nope --x ", "'")
)
def test_nothing_reaches_the_shell_but_candidates(files: Path, damage: object, line: str) -> None:
    """Broken files and lines give no message and exit code 0."""
    damage(files)  # type: ignore[operator]
    done = subprocess.run(
        [*COMMAND, "bash", BREAKS, f"cartctl {line}"], capture_output=True, text=True, check=True
    )
    assert not done.stderr
    assert all(row.startswith(("value:", "files:")) for row in done.stdout.splitlines())


def test_only_the_command_of_the_line_is_loaded() -> None:
    """Models, drivers and drawing are not loaded, which keeps a completion fast."""
    program = (
        "import sys\nfrom cartctl.commands.completion.respond import respond\n"
        f"from cartctl.__main__ import _root\nrespond(_root, ['bash', {BREAKS!r}, sys.argv[1]])\nprint(*sorted(sys.modules), file=sys.stderr)"
    )
    for line in ("deploy --skip pre", "history --env ", "report ", "snapshot verify ", "roll"):
        done = subprocess.run(
            [sys.executable, "-c", program, f"cartctl {line}"], capture_output=True, text=True, check=True
        )
        loaded = {name.partition(".")[0] for name in done.stderr.split()}
        assert "typer" in loaded
        assert not loaded & {"pydantic", "psycopg", "httpx", "rich", "sqlalchemy", "kubernetes", "asyncio"}
