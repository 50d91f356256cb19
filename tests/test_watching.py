"""`--watch` and prompts, as a person meets them."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cartctl
from cartctl.adapters.postgres import Postgres
from cartctl.cli import app
from cartctl.config.load import load_environment
from cartctl.plans.deploy.confirmation import question
from cartctl.plans.deploy.deploy_options import DeployOptions
from tests.test_conventions import LEAVES, command_at


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


def test_flags_are_watched(tmp_path: Path, platform_database: Postgres) -> None:
    """The listing of a flag file, before and after somebody changes it."""
    flags = tmp_path / "flags.json"
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    flags.write_text(json.dumps({"flags": {"FEATURE_CART_MANAGEMENT": flag}}))
    (tmp_path / "cartctl.toml").write_text(
        f"[env.db.database]\ndsn = '{platform_database.dsn}'\n[env.db.rollout]\nflags = {{ file = '{flags}' }}\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "cartctl", "flags", "list", "--env", "db", "-o", "json", "--watch"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CARTCTL_STATE_DIR": str(tmp_path / "state")},
        cwd=tmp_path,
    ) as watching:
        try:
            first = _document(watching)
            flags.write_text(json.dumps({"flags": {"FEATURE_CART_MANAGEMENT": flag, "OTHER": flag}}))
            assert _document(watching) != first
            watching.send_signal(signal.SIGINT)
            assert watching.wait(60) == 130
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
    """Each command whose code asks a question, itself or in a function beside it, can be started with -y."""
    prompting = {path for path in LEAVES if path and prompts(command_at(path).callback)}
    with_yes = {path for path in LEAVES if any("-y" in one.opts for one in command_at(path).params)}
    assert {("deploy",), ("rollback",), ("snapshot", "restore"), ("signoff", "add")} <= prompting
    assert prompting <= with_yes, prompting - with_yes


def prompts(function: Any) -> bool:
    """Whether a function, or one of its module that it calls, asks a question on the terminal."""
    function = inspect.unwrap(function)
    own = inspect.getmodule(function)
    called = (getattr(own, name, None) for name in set(function.__code__.co_names) - {function.__name__})
    nested = (one for one in called if inspect.isfunction(one) and one.__module__ == function.__module__)
    asks = re.search(r"\boptions\.confirm(_by_typing)?\(", inspect.getsource(function))
    return asks is not None or any(map(prompts, nested))


def test_prompts_are_made_in_one_place() -> None:
    """Only `Options.confirm` and `confirm_by_typing` ask; whoever asks elsewhere goes around -y and the terminal check."""
    root = Path(cartctl.__file__).parent
    asking = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(
            r"typer\.(confirm|prompt)\(|click\.(confirm|prompt)\(|\binput\(|getpass\(", path.read_text()
        )
    ]
    assert asking == ["commands/options.py"]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_shows_the_global_options(path: tuple[str, ...]) -> None:
    """Of every command: who reads one help sees how to select the environment and the output."""
    shown = CliRunner().invoke(app, [*path, "--help"], terminal_width=80).output
    assert all(name in shown for name in ("--env", "--config", "--output"))
    assert max(map(len, shown.splitlines())) <= 80
