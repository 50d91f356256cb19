"""Backups by other tools: a real stanza of pgBackRest, and commands that keep to the contract or do not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from cartctl.adapters.pgbackrest import PgBackRest
from cartctl.adapters.postgres import Postgres
from cartctl.checks.preflight.dump import check_archive, check_provider
from cartctl.config.model.environment import Backup as Commands
from cartctl.config.model.environment import Snapshots
from cartctl.engine.model import Run, Verdict
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError, StepFailed
from cartctl.snapshots.backup_providers import FromCommands, FromPgBackRest, open_provider
from cartctl.steps.database.backup import Backup
from tests.services import DEBIAN_15, _call, _directory, _start, _unprivileged, require

DAY = timedelta(hours=24)
CONFIG = """[global]
repo1-path={home}/repo
log-path={home}/log
lock-path={home}/lock
spool-path={home}/spool
start-fast=y
repo1-retention-full=2
[shop]
pg1-path={home}/data
pg1-socket-path={home}
pg1-user=postgres
"""


@pytest.fixture(scope="module")
def stanza() -> Iterator[Postgres]:
    """A PostgreSQL 15 that archives into a repository of pgBackRest's, its stanza `shop` made."""
    folder, tool = require("initdb", DEBIAN_15).parent, require("pgbackrest")
    with _directory() as home, pytest.MonkeyPatch.context() as patch:
        user, data = _unprivileged(home), home / "data"
        config = home / "pgbackrest.conf"
        config.write_text(CONFIG.format(home=home))
        patch.setenv("PGBACKREST_CONFIG", str(config))
        _call(
            user,
            folder / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "--no-instructions",
        )
        archive = (
            f"-c archive_mode=on -c 'archive_command={tool} --config={config} --stanza=shop archive-push %p'"
        )
        _call(user, *_start(folder, data, home / "log.txt", f"-c listen_addresses='' -k {home} {archive}"))
        try:
            yield Postgres(make_conninfo("", host=str(home), user="postgres", dbname="postgres"))
        finally:
            _call(user, folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def run_of(tmp_path: Path) -> Run:
    """A run that wants a backup."""
    return Run("r1", "test", datetime.now(UTC), tmp_path, "running", {})


def test_a_stanza_backs_up_and_reports_its_status(stanza: Postgres, tmp_path: Path) -> None:
    """Missing it is a configuration error; made, a backup is found again by its run, is young, and recovery is possible."""
    provider = FromPgBackRest(PgBackRest("shop"))
    with pytest.raises(ConfigError, match="stanza shop not found"):
        provider.backups(Pulse())
    config = os.environ["PGBACKREST_CONFIG"]
    create = ["pgbackrest", f"--config={config}", "--stanza=shop", "stanza-create"]
    owner = "postgres" if os.geteuid() == 0 else None
    subprocess.run(create, check=True, capture_output=True, user=owner, cwd="/")
    assert provider.lacking(Pulse())
    step = Backup(provider)
    assert step.find(run_of(tmp_path)) is None
    made = step.perform(run_of(tmp_path), Pulse())
    assert (made["provider"], made["verified"], made["bytes"] > 0) == ("pgbackrest", True, True)
    result = step.find(run_of(tmp_path))
    assert result == made
    assert provider.lacking(Pulse()) == ""
    (backup,) = check_provider(provider, DAY, Pulse(), follows=False)
    (recovery,) = check_archive(provider, Pulse())
    assert (backup.verdict, recovery.verdict) == (Verdict.PASS, Verdict.PASS)


def script(tmp_path: Path, name: str, body: str) -> tuple[str, ...]:
    """A command that is a few lines of Python."""
    path = tmp_path / f"{name}.py"
    path.write_text(f"import json, os, sys\n{body}\n")
    return (sys.executable, str(path))


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands that keep a list of backups in a file."""
    kept = tmp_path / "kept.json"
    kept.write_text("[]")
    at = datetime.now(UTC).isoformat()
    make = f"""one = {{"id": "b1", "created_at": "{at}", "bytes": 7, "asked_as": os.environ["CARTCTL_SNAPSHOT"]}}
open({str(kept)!r}, "w").write(json.dumps([one])); print(json.dumps(one))"""
    tell = f'print(json.dumps({{"backups": json.load(open({str(kept)!r})), "point_in_time": True}}))'
    return Commands(create=script(tmp_path, "create", make), status=script(tmp_path, "status", tell))


def test_commands_make_and_report(commands: Commands, tmp_path: Path) -> None:
    """What the create command made is found again by what it was asked for as."""
    provider = FromCommands(commands)
    (before,) = check_provider(provider, DAY, Pulse(), follows=False)
    assert before.verdict is Verdict.WARN
    step = Backup(provider)
    made = step.perform(run_of(tmp_path), Pulse())
    assert (made["id"], made["bytes"]) == ("b1", 7)
    assert step.find(run_of(tmp_path)) == made
    assert provider.lacking(Pulse()) == ""


@pytest.mark.parametrize(
    ("body", "error", "expected"),
    (
        ("print('nothing')", StepFailed, "invalid format"),
        ("print(json.dumps({'backups': [{'id': 1}]}))", StepFailed, "invalid format"),
        ("sys.exit('no route to the vault')", StepFailed, "no route to the vault"),
    ),
)
def test_an_answer_that_is_none_is_an_error(
    commands: Commands, tmp_path: Path, body: str, error: type[Exception], expected: str
) -> None:
    """No answer is never taken for a backup."""
    status = script(tmp_path, "other", body)
    with pytest.raises(error, match=expected):
        FromCommands(commands.model_copy(update={"status": status})).backups(Pulse())


def test_a_command_that_is_not_there_is_a_configuration_error(commands: Commands) -> None:
    """The sentence names the program."""
    with pytest.raises(ConfigError, match="/nowhere/backup cannot be run"):
        FromCommands(commands.model_copy(update={"status": ("/nowhere/backup",)})).backups(Pulse())


def test_one_tool_is_configured(commands: Commands) -> None:
    """None is our own dumps; two are a mistake."""
    assert open_provider(Snapshots()) is None
    assert json.dumps(commands.create)
    with pytest.raises(ConfigError, match="two tools"):
        open_provider(Snapshots(pgbackrest_stanza="shop", command=commands))
