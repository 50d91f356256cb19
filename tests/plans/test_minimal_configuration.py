"""Configurations as small as the job: a database alone, an API alone, and what a command says that requires more."""

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from cartctl.adapters.postgres import Postgres
from tests.database.test_migrate import run_sql
from tests.shell import Shell
from tests.web import Reply, serve


def database_only(directory: Path, database: Postgres) -> Shell:
    """A DBA's file: two lines."""
    return Shell(directory, f'[env.shop.database]\ndsn = "{database.dsn}"\n')


def test_a_dsn_is_enough_for_a_dba(tmp_path: Path, platform_database: Postgres) -> None:
    """Migrate, rehearse, snapshot, the cart's jobs, history and rollback with nothing but a DSN."""
    shell = database_only(tmp_path, platform_database)
    run_sql(platform_database, "INSERT INTO companies (id, name) VALUES ('acme', 'Acme')")
    for line in (
        "config check",
        "migrate status",
        "migrate lint",
        "migrate deploy --plan",
        "migrate deploy --dry-run",
        "rehearse",
        "migrate deploy",
        "migrate verify",
        "migrate index",
        "snapshot create",
        "snapshot list",
        "snapshot verify",
        "cart stats --company acme",
        "cart expire",
        "cart cleanup --apply",
        "cart recovery",
        "history",
        "unlock",
    ):
        done = shell(*line.split())
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    shown = shell("rollback", "--database", "--plan", "--application-stopped")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"code +.*no cluster configured", shown.stdout)
    done = shell("rollback", "--database", "--yes", "--application-stopped")
    assert done.returncode == 0, done.stderr
    assert "cartctl migrate status --env shop" in done.stdout
    assert json.loads(shell("migrate", "status", "-o", "json").stdout)["applied"] == []
    assert shell("migrate", "deploy").returncode == 0


def test_dropping_tables_unseen_requires_a_stopped_application(
    tmp_path: Path, platform_database: Postgres
) -> None:
    """Without an API nothing shows that the tables are unused: refused before any change, and the plan says so."""
    shell = database_only(tmp_path, platform_database)
    assert shell("migrate", "deploy").returncode == 0
    for args in (("--yes",), ("--plan",)):
        refused = shell("rollback", "--database", *args)
        assert (refused.returncode, "--application-stopped" in refused.stderr) == (3, True), refused.stderr
    assert shell("migrate", "verify").returncode == 0


def test_with_an_api_it_is_checked(tmp_path: Path, platform_database: Postgres) -> None:
    """A version that serves the cart keeps its tables, also with --application-stopped; a stopped one needs the option."""
    shell = database_only(tmp_path, platform_database)
    assert shell("migrate", "deploy").returncode == 0
    with serve(lambda _: Reply({})) as web:
        with (tmp_path / "cartctl.toml").open("a", encoding="utf-8") as file:
            file.write(f'[env.shop.http]\napi = "{web.url}"\n')
        served = shell("rollback", "--database", "--yes", "--application-stopped")
        assert (served.returncode, "the running version has cart endpoints" in served.stderr) == (5, True)
    assert shell("migrate", "verify").returncode == 0
    unknown = shell("rollback", "--database", "--yes")
    assert unknown.returncode in {5, 6}, unknown.stderr
    assert shell("migrate", "verify").returncode == 0
    done = shell("rollback", "--database", "--yes", "--application-stopped")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "missing"),
    (
        (("deploy", "--yes"), ("cluster", "http")),
        (("plan",), ("cluster", "http")),
        (("preflight",), ("cluster", "http")),
        (("rollback", "--yes"), ("cluster", "http")),
        (("rollout", "start", "--yes"), ("cluster", "http")),
        (("flags", "set", "FEATURE_CART_MANAGEMENT", "on", "--yes"), ("cluster", "http")),
        (("monitor", "--once"), ("http",)),
        (("smoke",), ("http",)),
        (("health",), ("http",)),
        (("logs", "--selector", "app=x"), ("cluster",)),
    ),
)
def test_a_missing_section_is_shown(tmp_path: Path, line: Sequence[str], missing: Sequence[str]) -> None:
    """Exit code 2 and the lines to add, which are TOML and, added, make the section known."""
    shell = Shell(tmp_path, '[env.shop.database]\ndsn = "postgresql://127.0.0.1:1/shop"\n')
    done = shell(*line)
    assert done.returncode == 2, done.stdout + done.stderr
    shown = done.stderr.partition("hint: Add to ")[2].partition("\n")[2]
    assert list(tomllib.loads(shown)["env"]["shop"]) == list(missing)
    error = json.loads(shell(*line, "-o", "json").stdout)
    assert error["code"] == "missing_section"
    assert all(f"[env.shop.{name}]" in error["hint"] for name in missing)
    with (tmp_path / "cartctl.toml").open("a", encoding="utf-8") as file:
        file.write(shown)
    assert shell("config", "check").returncode == 0


def test_an_api_is_enough_for_a_ci_job(tmp_path: Path) -> None:
    """Two lines are a valid configuration for health, also in a protected environment."""
    with serve(lambda _: Reply({"status": "ok"})) as web:
        shell = Shell(tmp_path, f'[env.shop.http]\napi = "{web.url}"\n')
        checked = shell("config", "check")
        assert (checked.returncode, "not configured: database, cluster" in checked.stdout) == (0, True)
        assert shell("config", "check", CARTCTL_PROTECTED="true").returncode == 0
        assert shell("config", "show").returncode == 0
        assert "/health" in shell("health").stdout


def test_without_a_file_the_ways_to_begin_are_named(tmp_path: Path) -> None:
    """In an empty directory every command names what writes a file."""
    done = Shell(tmp_path)("migrate", "status")
    assert (done.returncode, "cartctl config init --for" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("purpose", "sections"),
    (
        ("smoke", ["http"]),
        ("migrate", ["database"]),
        ("deploy", ["database", "cluster", "release", "http", "metrics"]),
    ),
)
def test_init_writes_just_what_a_purpose_requires(tmp_path: Path, purpose: str, sections: list[str]) -> None:
    """A valid file with these sections alone, for the environment named; the next command is named."""
    shell = Shell(tmp_path)
    (tmp_path / "ops").mkdir()
    done = shell("config", "init", "--for", purpose, "--env", "eu", "--config", "ops/cartctl.toml")
    assert (done.returncode, "then cartctl" in done.stderr) == (0, True)
    text = (tmp_path / "ops/cartctl.toml").read_text(encoding="utf-8")
    assert list(tomllib.loads(text)["env"]["eu"]) == sections
    checked = shell("config", "check", "--config", "ops/cartctl.toml", CART_DSN="postgresql://127.0.0.1:1/x")
    assert checked.returncode == 0, checked.stdout
    assert shell("config", "init", "--for", "everything").returncode == 2


def test_an_odd_name_is_quoted_in_the_lines(tmp_path: Path) -> None:
    """The lines are TOML whatever the environment is called."""
    shell = Shell(tmp_path, '[env."pre prod.eu".database]\ndsn = "postgresql://127.0.0.1:1/shop"\n')
    shown = shell("health").stderr.partition("hint: Add to ")[2].partition("\n")[2]
    assert list(tomllib.loads(shown)["env"]) == ["pre prod.eu"]


def test_an_environment_with_nothing_is_refused(tmp_path: Path) -> None:
    """No command could use it."""
    done = Shell(tmp_path, "[env.shop]\nprotected = true\n")("config", "check")
    assert done.returncode == 2
    assert "database, cluster and http" in done.stdout


def test_variables_are_enough_with_an_empty_table(tmp_path: Path) -> None:
    """A section may come from variables alone."""
    done = Shell(tmp_path, "[env.shop]\n")(
        "migrate", "status", CARTCTL_DATABASE__DSN="postgresql://127.0.0.1:1/x"
    )
    assert "[env.shop" not in done.stderr
    assert "127.0.0.1" in done.stderr
