"""`--watch` and prompts, as a person meets them."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cartctl.adapters.postgres import Postgres
from cartctl.cli import app
from cartctl.config.load import load_environment
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.question import question
from tests.test_house import LEAVES, command_at


def test_a_state_is_shown_again_when_it_changes(tmp_path: Path) -> None:
    """The sandbox's status, before and after it gets a configuration; a signal ends it with its own exit code."""
    environment = {**os.environ, "CARTCTL_STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "cartctl", "sandbox", "status", "--watch"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as watching:
        assert watching.stdout is not None
        assert "down" in watching.stdout.readline()
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(60) == 143


@pytest.mark.parametrize("state", (("migrate", "status"), ("history",)), ids=" ".join)
def test_a_state_of_the_database_is_watched(
    state: tuple[str, ...], platform_database: Postgres, tmp_path: Path
) -> None:
    """Shown at once, again only after a change, and as one JSON document per change; Ctrl-C ends it without a traceback."""
    (tmp_path / "cartctl.toml").write_text(f"[env.db.database]\ndsn = '{platform_database.dsn}'\n")
    environment = {**os.environ, "CARTCTL_STATE_DIR": str(tmp_path / "state")}
    command = [sys.executable, "-m", "cartctl"]
    with subprocess.Popen(
        [*command, *state, "--env", "db", "-o", "json", "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    ) as watching:
        try:
            first = _document(watching)
            subprocess.run(
                [*command, "migrate", "deploy", "--env", "db"],
                env=environment,
                cwd=tmp_path,
                check=True,
                capture_output=True,
            )
            assert _document(watching) != first
            watching.send_signal(signal.SIGINT)
            assert watching.wait(60) == 130
            assert watching.stderr is not None
            assert "Traceback" not in watching.stderr.read()
        finally:
            watching.kill()


def _document(watching: "subprocess.Popen[str]") -> object:
    """The next JSON document, which may have many lines."""
    assert watching.stdout is not None
    text = ""
    for line in watching.stdout:
        text += line
        with suppress(json.JSONDecodeError):
            return json.loads(text)
    raise AssertionError(f"it ended after {text!r}")


def test_the_question_before_a_deployment_names_what_it_does(tmp_path: Path) -> None:
    """Environment, each image as it will be released, and the downtime to expect."""
    file = tmp_path / "cartctl.toml"
    file.write_text(
        '[env.shop.database]\ndsn = "host=x"\n[env.shop.release]\napi = { "api.web" = "acme/api:1" }\n'
        'frontend = { "admin.web" = "acme/admin:1" }\n[env.quiet]\nmaintenance = "none"\n[env.quiet.database]\ndsn = "host=x"\n'
    )
    env = load_environment(str(file), "shop")
    assert question(env, DeployOptions(images={"api": "acme/api:2"})) == (
        "Deploy to shop: api.web acme/api:2, admin.web acme/admin:1; downtime during the migration, expected: below 120 s?"
    )
    quiet = load_environment(str(file), "quiet")
    assert (
        question(quiet, DeployOptions(images={"jobs": "x:3"}))
        == "Deploy to quiet: jobs x:3; no downtime expected?"
    )


def test_whatever_prompts_has_yes() -> None:
    """Each command that changes something after a question can be started with -y."""
    asking = (
        "deploy, rollback, flags set, flags undo, rollout start, rollout advance, rollout abort, rollout set"
    )
    with_yes = {" ".join(path) for path in LEAVES if any("-y" in one.opts for one in command_at(path).params)}
    assert {*asking.split(", "), "snapshot restore", "snapshot prune"} <= with_yes


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_shows_the_global_options(path: tuple[str, ...]) -> None:
    """Of every command: who reads one help sees how to select the environment and the output."""
    shown = CliRunner().invoke(app, [*path, "--help"], terminal_width=80).output
    assert all(name in shown for name in ("--env", "--config", "--output"))
    assert max(map(len, shown.splitlines())) <= 80
