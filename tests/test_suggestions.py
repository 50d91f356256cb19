"""Wrong command lines name what was meant, also for people who come from other tools."""

import json
import shlex
from contextlib import nullcontext
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cartctl.adapters.postgres import Postgres
from cartctl.cli import app
from cartctl.commands.usage.suggestions import COMMANDS, OPTIONS
from tests.test_conventions import LEAVES, PATHS, command_at, parse


def message(line: str) -> str:
    """The first line on stderr of a wrong command line."""
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 2
    return result.stderr.splitlines()[0].removeprefix("cartctl: ")


@pytest.mark.parametrize(
    ("line", "expected"),
    (
        ("deploy --dry-run", "No such option: --dry-run. Did you mean '--plan'?"),
        ("deploy --pln", "No such option: --pln. Did you mean '--plan'?"),
        ("history --environment x", "No such option: --environment. Did you mean '--env'?"),
        ("history --outptu json", "No such option: --outptu. Did you mean '--output'?"),
        ("history -n 5", "No such option: -n. Did you mean '--limit'?"),
        ("rollback --auto-approve", "No such option: --auto-approve. Did you mean '--yes'?"),
        ("deploy --qqq", "No such option: --qqq."),
        ("deploi", "No such command 'deploi'. Did you mean 'deploy'?"),
        ("undo", "No such command 'undo'. Did you mean 'rollback'?"),
        ("upgrade", "No such command 'upgrade'. Did you mean 'migrate deploy'?"),
        ("snapshot lst", "No such command 'lst'. Did you mean 'list'?"),
        ("qqq", "No such command 'qqq'."),
    ),
)  # fmt: skip
def test_what_was_meant_is_named(line: str, expected: str) -> None:
    """The nearest name, or ours for a habit from another tool; nothing where nothing is near."""
    assert message(line) == expected


@pytest.mark.parametrize("line", COMMANDS.values())
def test_suggested_commands_exist(line: str) -> None:
    """Whoever types what is suggested gets no second usage error, unless an argument is missing."""
    missing = pytest.raises(typer.TyperException, match="Missing")
    with missing if line == "snapshot restore" else nullcontext():
        parse(line.split())


def test_habits_are_not_our_own_names() -> None:
    """A habit that is a command would never be suggested; an option that no command has would never fit."""
    assert not set(COMMANDS) & {path[0] for path in PATHS if path}
    options = {name for path in (*LEAVES, ()) for one in command_at(path).params for name in one.opts}
    expected = {name for names in OPTIONS.values() for name in names}
    assert expected <= options | {"--watch"}


def test_a_misspelt_value_is_named(
    platform_database: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environments, suites, checks, outcomes, plans, flags, and the ids of runs and snapshots; never an id that is not alike."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTCTL_STATE_DIR", str(tmp_path / "state"))
    Path("cartctl.toml").write_text(
        f"[env.shop.database]\ndsn = '{platform_database.dsn}'\n[env.shop.http]\napi = 'http://127.0.0.1:1'\n"
    )
    for line in ("migrate deploy", "snapshot create"):
        done = CliRunner().invoke(app, line.split())
        assert done.exit_code == 0, done.output
    run = json.loads(CliRunner().invoke(app, ["history", "-o", "json"]).stdout)["runs"][0]["run"]
    snapshot = json.loads(CliRunner().invoke(app, ["snapshot", "list", "-o", "json"]).stdout)["snapshots"][0][
        "id"
    ]
    for line, code, meant in (
        ("history --env shp", 2, "'shop'"),
        ("smoke --suite biult-in", 2, "'built-in'"),
        ("history --outcome suceeded", 2, "'succeeded'"),
        ("history --plan depoly", 2, "'deploy'"),
        (f"report {run[:-1]}x", 3, run),
        (f"snapshot verify {snapshot[:-1]}x", 2, snapshot),
        (f"snapshot restore {snapshot[:-1]}x --plan", 2, snapshot),
        (f"report 20200101-000000-{run[-4:]}", 3, ""),
        (f"deploy --abandon {run[:-1]}x", 3, ""),  # a finished run cannot be abandoned
    ):
        result = CliRunner().invoke(app, shlex.split(line))
        assert result.exit_code == code, (line, result.output)
        first = result.stderr.splitlines()[0]
        assert first.endswith(f"; did you mean {meant}?") if meant else "did you mean" not in first, first
