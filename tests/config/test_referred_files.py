"""`config check` reads every file that a configuration refers to, and says what a deployment would still miss."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cartctl.cli import app
from cartctl.config.load import load_environment
from cartctl.snapshots.storage.destination import refuse_plain
from tests.config.conftest import Write

FILES = """
[env.dev.http]
api = "http://api.example"
suites = ["own.toml"]
[env.dev.rollout]
companies = { csv = "companies.csv" }
flags = { file = "flags.json" }
[env.dev.preflight]
junit = { "report.xml" = 1 }
[env.dev.signoff]
allowed_signers = "signers"
[env.dev.database]
dsn = "host=db dbname=x sslrootcert=ca.pem"
[env.dev.database.migrations]
prisma_dir = "prisma"
[env.dev.database.snapshots.encrypt]
age = "recipients"
identity = "identity"
"""
GOOD = {
    "own.toml": '[[request]]\nname = "a"\npath = "/a"\n',
    "companies.csv": "\ufeffid,beta\r\na,true\r\nb,\r\n",
    "flags.json": '{"flags": {}}',
    "report.xml": '<testsuite><testcase name="a"/></testsuite>',
    "signers": "# ours\r\nlead@example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\r\n",
    "recipients": "\ufeffage1qqqqqq\r\n",
    "identity": "# created\nAGE-SECRET-KEY-1QQQ\n",
    "ca.pem": "-----BEGIN CERTIFICATE-----\n",
}
KEYS = {
    "own.toml": "http.suites",
    "companies.csv": "rollout.companies.csv",
    "flags.json": "rollout.flags.file",
    "report.xml": "preflight.junit",
    "signers": "signoff.allowed_signers",
    "recipients": "database.snapshots.encrypt.age",
    "identity": "database.snapshots.encrypt.identity",
    "ca.pem": "database.dsn certificates",
}


def check(*args: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code and the results by name."""
    result = CliRunner().invoke(app, ["config", "check", "-o", "json", *args])
    return result.exit_code, {one["name"]: one for one in json.loads(result.stdout)["checks"]}


@pytest.fixture
def files(directory: Path) -> Path:
    """A configuration that refers to every kind of file, all of them there and valid."""
    text = FILES.replace("[env.dev.database]", '[env.dev.cluster]\nkind = "kubernetes"\n[env.dev.database]')
    (directory / "cartctl.toml").write_text(text)
    for name, content in GOOD.items():
        (directory / name).write_bytes(content.encode())
    (directory / "prisma").mkdir()
    return directory


def test_files_that_are_valid_pass(files: Path) -> None:
    """Each is named with what it holds."""
    code, result = check()
    assert (code, {one["verdict"] for one in result.values()}) == (0, {"pass"}), result
    assert result["dev rollout.companies.csv"]["observed"] == "2 companies, 1 of them beta"
    assert result["dev signoff.allowed_signers"]["observed"].endswith("1 signers")
    assert {f"dev {key}" for key in KEYS.values()} <= result.keys()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    (
        ("own.toml", b"[[request]]\nnme = 'a'\n", "nme"),
        ("own.toml", b"a = " + b"[" * 5000, "nested"),
        ("companies.csv", b"id, beta\na,true\n", "unknown ' beta'"),
        ("companies.csv", b"id\n", "no companies"),
        ("flags.json", b"{", "not valid JSON"),
        ("report.xml", b"<html/>", "not a JUnit report"),
        ("signers", b"lead@example.com\n", "line 1 is not an allowed signer"),
        ("signers", b"\n", "names no signer"),
        ("recipients", b"AGE-SECRET-KEY-1\n", "starts with age1"),
        ("identity", b"\xff", "not UTF-8"),
        ("ca.pem", b"\xff\xfe", "not UTF-8"),
    ),
)
def test_a_file_that_is_not_valid_fails(files: Path, name: str, content: bytes, expected: str) -> None:
    """With exit code 2, by its key, in one sentence."""
    (files / name).write_bytes(content)
    code, result = check()
    assert code == 2
    assert result[f"dev {KEYS[name]}"]["verdict"] == "fail"
    assert expected in result[f"dev {KEYS[name]}"]["observed"]


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"flags.json"}))
def test_a_file_that_is_missing_warns(files: Path, name: str) -> None:
    """It may well be written later, or lie only where the deployment runs."""
    (files / name).unlink()
    code, result = check()
    assert (code, result[f"dev {KEYS[name]}"]["verdict"]) == (0, "warn")
    assert "file not found" in result[f"dev {KEYS[name]}"]["observed"]


def test_the_starters_production_says_exactly_what_is_missing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three things, and with them nothing that the configuration decides is left for the preflight."""
    CliRunner().invoke(app, ["config", "init"])
    _, result = check("--env", "production")
    assert {name for name, one in result.items() if one["verdict"] == "warn"} == {
        "production database.dsn",
        "production http.token",
        "production database.snapshots.encrypt.age",
    }
    monkeypatch.setenv("PRODUCTION_DSN", "postgresql://deployer@db/shop")
    for name, content in (("secrets/token", "t0ken"), ("ops/recipients", "age1qqqq")):
        (directory / name).parent.mkdir()
        (directory / name).write_text(content)
        (directory / name).chmod(0o600)
    _, result = check("--env", "production")
    assert {one["verdict"] for one in result.values()} == {"pass"}
    environment = load_environment(None, "production")
    refuse_plain(environment)
    assert (environment.proved_on, environment.signoff.roles) == (None, ())


def test_what_preflight_cannot_pass_is_said_beforehand(write: Write) -> None:
    """A plain dump of a protected environment."""
    write("[env.prod]\n")
    path = Path("cartctl.toml")
    path.write_text(
        path.read_text().replace("[env.dev.database]", "[env.dev]\nprotected = true\n[env.dev.database]")
    )
    _, result = check("--env", "dev")
    encrypt = result["dev database.snapshots.encrypt"]
    assert (encrypt["verdict"], bool(encrypt["hint"])) == ("warn", True)
