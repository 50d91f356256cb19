"""Wrong command lines name what was meant, also for people who come from other tools."""

from contextlib import nullcontext

import pytest
import typer
from typer.testing import CliRunner

from cartctl.cli import app
from cartctl.commands.usage.suggestions import COMMANDS, OPTIONS
from tests.test_house import LEAVES, PATHS, command_at, parse


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
    wanted = {name for names in OPTIONS.values() for name in names}
    assert wanted <= options | {"--watch"}
