"""`cartctl monitor export` as a shell runs it: files, other people's files, bad directories."""

import json
from pathlib import Path

import pytest

from tests.monitoring.export.prometheus import promtool
from tests.shell import Shell

CONFIGURATION = """
[env.production.http]
api = "https://api.example.com"
"""
PROMETHEUS = ("alertmanager", "blackbox", "probes", "prometheusrule", "rules", "tests")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A directory with a configuration."""
    return Shell(tmp_path, CONFIGURATION)


def test_files_are_written_kept_and_replaced(shell: Shell) -> None:
    """A second export keeps them; one of another configuration replaces those that nobody changed."""
    written = shell.json("monitor", "export", "out")
    names = [f"cartctl-production.{kind}.yaml" for kind in PROMETHEUS]
    assert (written["kind"], written["written"]) == ("exported", names)
    assert shell.json("monitor", "export", "out")["kept"] == names
    assert shell.json("monitor", "export", "--format", "grafana", "out")["written"] == [
        "cartctl-production.dashboard.json"
    ]
    shell.write("cartctl.toml", CONFIGURATION + '[env.production.monitor]\nevery = "20s"\n')
    again = shell.json("monitor", "export", "out")
    assert set(again["replaced"]) == {
        name for name in names if "20s" in (shell.directory / "out" / name).read_text()
    }
    assert again["written"] == []
    assert not list((shell.directory / "out").glob("*.part"))


def test_two_environments_share_a_directory(shell: Shell) -> None:
    """Each has its own names of files, groups and series."""
    shell.write("cartctl.toml", CONFIGURATION + '[env.staging.http]\napi = "https://staging.example.com"\n')
    for env in ("production", "staging"):
        assert shell("monitor", "export", "--env", env, "out").returncode == 0
    rules = sorted((shell.directory / "out").glob("*.rules.yaml"))
    assert promtool("check", "rules", *rules).returncode == 0
    assert "production" not in rules[1].read_text()


def test_a_file_that_was_changed_is_not_replaced(shell: Shell) -> None:
    """Exit code 3, and nothing at all is written."""
    shell("monitor", "export", "out")
    rules = shell.directory / "out/cartctl-production.rules.yaml"
    rules.write_text(rules.read_text() + "# mine\n")
    shell.write("cartctl.toml", CONFIGURATION + '[env.production.monitor]\nevery = "20s"\n')
    before = {path.name: path.read_bytes() for path in rules.parent.iterdir()}
    done = shell("monitor", "export", "out")
    assert done.returncode == 3
    assert "cartctl-production.rules.yaml exists with different content" in done.stderr
    assert {path.name: path.read_bytes() for path in rules.parent.iterdir()} == before


@pytest.mark.parametrize("record", (None, "[]", "{", '{"cartctl-production.rules.yaml": 1}'))
def test_a_file_of_somebody_else_is_not_replaced(shell: Shell, record: str | None) -> None:
    """Also beside a record that says nothing about it."""
    (shell.directory / "out").mkdir()
    shell.write("out/cartctl-production.rules.yaml", "groups: []\n")
    if record is not None:
        shell.write("out/.cartctl-export.json", record)
    assert shell("monitor", "export", "out").returncode == 3
    assert shell("monitor", "export", "--format", "grafana", "out").returncode == 0


@pytest.mark.parametrize(
    ("directory", "sentence"),
    (
        ("cartctl.toml", "cartctl.toml is not a directory."),
        ("cartctl.toml/x", "cartctl.toml/x cannot be written: Not a directory."),
        ("/proc/cartctl", "/proc/cartctl cannot be written: No such file or directory."),
        ("x" * 300, "File name too long."),
    ),
)
def test_a_bad_directory_is_one_sentence(shell: Shell, directory: str, sentence: str) -> None:
    """Exit code 2 with a hint."""
    done = shell("monitor", "export", directory)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 2, done.stderr
    assert sentence in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize(
    "args",
    (("export", "--format", "xml", "out"), ("export",), ("--once", "export", "out"), ("exprot", "out")),
)
def test_wrong_options_are_refused(shell: Shell, args: tuple[str, ...]) -> None:
    """Exit code 2; nothing is written."""
    done = shell("monitor", *args)
    assert done.returncode == 2
    assert "hint:" in done.stderr
    assert not (shell.directory / "out").exists()


def test_monitoring_still_needs_no_subcommand(shell: Shell) -> None:
    """The options of `monitor` are as before; without a database it says which section is missing."""
    done = shell("monitor", "--once", "-o", "json")
    assert done.returncode == 2
    assert "database" in json.loads(done.stdout)["message"]
