"""`cartctl config`: show, init, check and schema."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cartctl.cli import app
from cartctl.config.load import load_environment
from cartctl.config.schema import file_schema
from cartctl.config.starter import starter
from tests.config.conftest import Write

PRODUCTION = Path(__file__).parents[1] / "cases/config/production.toml"


def run(*args: str) -> Result:
    """One command line."""
    return CliRunner().invoke(app, list(args))


def settings(result: Result) -> dict[str, Any]:
    """The settings of `config show -o json` by key."""
    return {setting["key"]: setting for setting in json.loads(result.stdout)["settings"]}


def test_the_documented_example_loads() -> None:
    """The whole production example is valid although its secrets are not there."""
    production = load_environment(str(PRODUCTION), "production")
    assert production.protected
    assert production.release.api == {"payment-api.api": "acme/api@sha256:1f…"}


def test_show_reports_each_origin(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value stands with the line, variable or default it comes from."""
    write()
    monkeypatch.setenv("CARTCTL_MAINTENANCE", "none")
    shown = settings(run("config", "show", "-o", "json"))
    assert shown["http.api"] == {
        "key": "http.api",
        "value": "https://api.example",
        "origin": "cartctl.toml:7",
    }
    assert shown["maintenance"]["origin"] == "CARTCTL_MAINTENANCE"
    assert shown["monitor.for"] == {"key": "monitor.for", "value": 1800.0, "origin": "default"}
    text = run("config", "show").stdout
    assert re.search(r"^api +https://api.example +cartctl.toml:7$", text, re.MULTILINE)
    assert re.search(r"^for +30m +default$", text, re.MULTILINE)


@pytest.mark.parametrize("args", (("-o", "json"), ()))
def test_show_never_shows_a_secret(write: Write, args: tuple[str, ...]) -> None:
    """A secret is shown by its place; a literal one and credentials in an address as asterisks."""
    path = write('[env.dev.database.snapshots]\nurl = "s3://key:hunter2@store/x"\n')
    path.write_text(path.read_text().replace('{ env = "DEV_DSN" }', '"postgresql://u:hunter2@h/d"'))
    result = run("config", "show", *args)
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    assert "s3://key:***@store/x" in result.stdout


def test_show_refuses_a_wrong_file(write: Write) -> None:
    """A configuration that is not valid is told, not shown."""
    write("[env.dev]\nmaintenence = 'none'\n")
    result = run("config", "show", "-o", "json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["message"].endswith("did you mean `maintenance`?")


def test_init_writes_a_file_that_is_valid(directory: Path) -> None:
    """The starter file passes its own check, and nothing in it is a secret."""
    assert run("config", "init").exit_code == 0
    assert (directory / "cartctl.toml").read_text(encoding="utf-8") == starter()
    result = run("config", "check", "-o", "json")
    assert result.exit_code == 0
    checks = json.loads(result.stdout)["checks"]
    assert {check["verdict"] for check in checks if check["name"] in {"staging", "production"}} == {"pass"}


def test_init_never_overwrites_unasked(write: Write) -> None:
    """An existing file stays, unless --force is given."""
    before = write().read_text()
    result = run("config", "init")
    assert result.exit_code == 3
    assert "--force" in result.stderr
    assert Path("cartctl.toml").read_text() == before
    forced = run("config", "init", "--force", "-o", "json")
    assert (forced.exit_code, json.loads(forced.stdout)["path"]) == (0, "cartctl.toml")
    assert Path("cartctl.toml").read_text() == starter()


def test_init_names_a_place_it_cannot_write() -> None:
    """A directory that does not exist is told."""
    result = run("config", "init", "--config", "nowhere/cartctl.toml")
    assert result.exit_code == 2
    assert "nowhere/cartctl.toml cannot be written" in result.stderr


def test_check_lists_every_problem_of_every_environment(write: Write) -> None:
    """All of what is wrong is listed, and the exit code says configuration."""
    write("[env.dev.monitor]\nevery = 'x'\nfor = 'y'\n[env.prod]\n")
    result = run("config", "check", "-o", "json")
    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["verdict"] == "fail"
    assert [check["name"] for check in document["checks"]] == ["dev", "dev", "prod"]
    assert run("config", "check", "--env", "nope").exit_code == 2


def test_check_reports_which_secrets_can_be_read(
    write: Write, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is not there warns, and so does a file that everybody can read."""
    write(
        '[env.dev.metrics]\nkind = "scrape"\ntoken = { file = "token" }\n[env.dev.http.token]\nenv = "NO_TOKEN"\n'
    )
    monkeypatch.setenv("DEV_DSN", "postgresql://u:hunter2@h/db")
    monkeypatch.delenv("NO_TOKEN", raising=False)
    (directory / "token").write_text("hunter2")
    (directory / "token").chmod(0o644)
    result = run("config", "check", "-o", "json")
    verdicts = {check["name"]: check["verdict"] for check in json.loads(result.stdout)["checks"]}
    assert verdicts == {
        "dev": "pass",
        "dev TLS certificates": "pass",
        "dev database.dsn": "pass",
        "dev database.dsn certificates": "pass",
        "dev http.token": "warn",
        "dev metrics.token": "warn",
    }
    assert result.exit_code == 0
    assert "hunter2" not in result.output
    (directory / "token").chmod(0o600)
    assert '"dev metrics.token", "verdict": "pass"' in " ".join(
        run("config", "check", "-o", "json").stdout.split()
    )


def test_check_names_what_is_wrong_with_a_dsn(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DSN that cannot be read fails the check, without a part of its password."""
    write("[env.dev]\n")
    monkeypatch.setenv("DEV_DSN", "postgresql://u:hunter2@wort@h/d")
    result = run("config", "check")
    assert (result.exit_code, "unescaped @" in result.stdout) == (2, True)
    assert not any(part in result.output for part in ("hunter2", "wort"))


def test_check_warns_of_a_proof_from_nowhere(write: Write) -> None:
    """`proved_on` names an environment whose journal is asked; one that is not there cannot be."""
    write('[env.dev]\nproved_on = "stagin"\n[env.staging]\n')
    result = run("config", "check", "--env", "dev", "-o", "json")
    assert "did you mean 'staging'?" in result.stdout


def test_schema_describes_every_key_of_the_example() -> None:
    """An editor that follows the schema accepts the documented example and completes its keys."""
    schema = file_schema()
    environment = schema["$defs"]["Environment"]["properties"]
    assert {"database", "cluster", "monitor", "maintenance"} <= environment.keys()
    assert "name" not in environment
    assert "from" in schema["$defs"]["Window"]["properties"]
    assert json.loads(run("config", "schema").stdout) == schema


def test_schema_leads_to_every_table_of_the_example() -> None:
    """Each table of the documented example is found in the schema with its keys, references resolved."""
    schema = file_schema()

    def described(node: dict[str, Any]) -> dict[str, Any]:
        choices = [node, *node.get("anyOf", ()), *node.get("allOf", ())]
        result = next((one for one in choices if "$ref" in one), node)
        return schema["$defs"][result["$ref"].rsplit("/", 1)[1]] if "$ref" in result else result

    def compare(value: Any, node: dict[str, Any], path: str) -> None:
        table = described(node)
        if isinstance(value, dict) and "properties" in table:
            for key, below in value.items():
                assert key in table["properties"], f"{path}.{key}"
                compare(below, table["properties"][key], f"{path}.{key}")

    document = tomllib.loads(PRODUCTION.read_text(encoding="utf-8"))
    compare(document["defaults"], schema["properties"]["defaults"], "defaults")
    compare(document["env"]["production"], schema["properties"]["env"]["additionalProperties"], "env")


def test_schema_knows_durations_as_they_are_written() -> None:
    """A duration is a text with a unit."""
    duration = file_schema()["$defs"]["Monitor"]["properties"]["every"]
    assert re.match(duration["pattern"], "1h30m")
    assert not re.match(duration["pattern"], "15")


OFF = """[env.dev.metrics]
kind = "prometheus"
url = "https://metrics.invalid"
verify_tls = false
"""


def test_a_certificate_that_is_not_verified_is_warned_about(write: Write) -> None:
    """safety.md section 8: once per server, on stderr, whatever the output; `config check` lists it."""
    path = write(OFF)
    path.write_text(
        path.read_text().replace('api = "https://api.example"', 'api = "https://[::1]:9"\nverify_tls = false')
    )
    result = run("health", "--env", "dev", "-o", "json")
    assert json.loads(result.stdout)["verdict"] != "pass"
    for key in ("http.verify_tls", "metrics.verify_tls"):
        assert (
            result.stderr.count(f"warning: {key} = false in environment dev: the server's certificate is not")
            == 1
        )
    checked = json.loads(run("config", "check", "--env", "dev", "-o", "json").stdout)["checks"]
    assert [r["name"] for r in checked if "certificate is not verified" in (r["observed"] or "")] == [
        "dev http.verify_tls",
        "dev metrics.verify_tls",
    ]
    assert "warning" not in run("health", "--env", "dev", "-q").stderr


def test_without_tls_there_is_nothing_to_verify(write: Write) -> None:
    """An address without TLS is no less safe by the setting."""
    path = write()
    path.write_text(
        path.read_text().replace('api = "https://api.example"', 'api = "http://[::1]:9"\nverify_tls = false')
    )
    assert "warning" not in run("health", "--env", "dev").stderr
