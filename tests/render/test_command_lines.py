"""The next command works as it is printed: with the program's path and configuration, where those are needed."""

import sys
from pathlib import Path

import pytest

from cartctl.render.command_lines import as_started

NEXT = "cartctl deploy --resume --env dev, or cartctl rollback --env dev"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed `cartctl` that PATH does not lead to."""
    path = tmp_path / "bin" / "cartctl"
    path.parent.mkdir()
    path.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    return path


def test_a_program_outside_path_is_named_by_its_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the text begins as this process was started, a path with blanks in quotes."""
    monkeypatch.setattr(sys, "argv", [str(program), "deploy"])
    assert as_started(NEXT) == f"{program} deploy --resume --env dev, or {program} rollback --env dev"
    monkeypatch.setattr(sys, "argv", ["my bin/cartctl", "deploy"])
    assert as_started("cartctl smoke") == "'my bin/cartctl' smoke"


def test_a_program_on_path_is_named_by_its_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the shell finds the program, its name is enough; another program of that name is another one."""
    monkeypatch.setattr(sys, "argv", [str(program), "deploy"])
    monkeypatch.setenv("PATH", str(program.parent))
    assert as_started(NEXT) == NEXT
    other = program.parent.parent / "elsewhere" / "cartctl"
    other.parent.mkdir()
    other.touch(0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert as_started("cartctl smoke") == f"{program} smoke"


@pytest.mark.parametrize("given", (["--config", "my file.toml"], ["--config=my file.toml"]))
def test_the_configuration_is_given_again(
    program: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    """A file given with --config is given to the next command too."""
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(sys, "argv", [str(program), "deploy", *given, "--env", "dev"])
    assert as_started("cartctl smoke --env dev").split(maxsplit=1)[1] in {
        "--config 'my file.toml' smoke --env dev",
        "'--config=my file.toml' smoke --env dev",
    }


def test_other_programs_and_prose_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is no cartctl changes nothing."""
    monkeypatch.setattr(sys, "argv", ["pytest", "--config", "x"])
    assert as_started(NEXT) == NEXT
