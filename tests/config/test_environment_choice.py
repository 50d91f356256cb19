"""Which file and which environment a command works on."""

from pathlib import Path

import pytest

from cartctl.config.load import load_environment, sandbox_directory
from cartctl.errors import ConfigError
from tests.config.conftest import MINIMAL, Write

SECOND = MINIMAL.replace("env.dev", "env.prod")
SANDBOX = MINIMAL.replace("env.dev", "env.sandbox").replace(
    '"kubernetes"', '"sandbox"\ncontrol = "http://127.0.0.1:1"'
)


def refusal(config: str | None, env: str | None) -> ConfigError:
    """The error that ends loading."""
    with pytest.raises(ConfigError) as caught:
        load_environment(config, env)
    return caught.value


def sandbox(name: str = "default") -> None:
    """As `sandbox up` leaves it."""
    sandbox_directory(name).mkdir(parents=True)
    (sandbox_directory(name) / "cartctl.toml").write_text(SANDBOX, encoding="utf-8")


def test_the_only_environment_is_taken(write: Write) -> None:
    """A file with one environment needs no --env."""
    write()
    assert load_environment(None, None).name == "dev"


def test_default_env_is_taken(write: Write) -> None:
    """Of several environments the file's default is taken."""
    path = write(SECOND)
    path.write_text('default_env = "prod"\n' + path.read_text())
    assert load_environment(None, None).name == "prod"


def test_several_without_a_default_are_named(write: Write) -> None:
    """Nothing is guessed among several environments."""
    write(SECOND)
    assert "dev, prod" in refusal(None, None).hint


def test_an_unknown_environment_names_the_nearest(write: Write) -> None:
    """A mistyped environment is told with the one that was meant."""
    write(SECOND)
    error = refusal(None, "prodd")
    assert error.message == "cartctl.toml has no environment 'prodd'; did you mean 'prod'?"
    assert error.exit_code == 2


def test_the_file_is_searched_upwards(write: Write, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command works anywhere below its configuration."""
    write()
    below = directory / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert load_environment(None, None).name == "dev"


def test_without_a_file_it_is_the_sandbox() -> None:
    """On a fresh machine the sandbox is the environment."""
    sandbox()
    assert load_environment(None, None).name == "sandbox"


def test_the_sandbox_stands_beside_every_file(write: Write) -> None:
    """`--env sandbox` works also where the file here does not know it."""
    write()
    sandbox()
    assert load_environment(None, "sandbox").cluster.control == "http://127.0.0.1:1"


def test_a_files_own_sandbox_comes_first(write: Write) -> None:
    """An environment that is called sandbox in the file here is the one that is meant."""
    write(SANDBOX.replace("127.0.0.1:1", "127.0.0.1:2"))
    sandbox()
    assert load_environment(None, "sandbox").cluster.control == "http://127.0.0.1:2"


def test_named_sandboxes_are_found() -> None:
    """`sandbox:NAME` is that sandbox's own file."""
    sandbox("blue")
    assert load_environment(None, "sandbox:blue").name == "sandbox:blue"


@pytest.mark.parametrize(
    ("env", "hint"),
    (
        (None, "cartctl sandbox up"),
        ("sandbox", "cartctl sandbox up"),
        ("sandbox:x", "cartctl sandbox up --name x"),
    ),
)
def test_a_sandbox_that_is_not_up_says_how(env: str | None, hint: str) -> None:
    """The hint is the command that makes it."""
    assert hint in refusal(None, env).hint


def test_a_sandbox_name_is_no_path() -> None:
    """A sandbox's name never leads out of the state directory."""
    assert "Invalid sandbox name" in refusal(None, "sandbox:../../etc").message


def test_an_environment_without_a_file_names_the_ways(directory: Path) -> None:
    """Asking for production where there is no file is told so."""
    error = refusal(None, "production")
    assert "No cartctl.toml in this directory or a parent" in error.message
    assert "--config" in error.hint


def test_a_named_file_must_exist() -> None:
    """`--config` never falls back to another file."""
    assert refusal("nowhere.toml", None).message == "File not found: nowhere.toml."


@pytest.mark.parametrize(
    ("content", "expected"),
    (
        (b"[env.dev\n", "not valid TOML"),
        (b"a = \xff", "not UTF-8"),
        (b"# " + b"x" * 1024 * 1024, "larger than"),
        (b"[envs.dev]\n", "`envs` is not a known key; did you mean `env`?"),
        (b"env = 3\n", "`env` must be a table"),
        (b"[env]\ndev = 3\n", "`env.dev` must be a table"),
        (b"default_env = 3\n", "`default_env` must be a text"),
        (b"", "has no environment"),
    ),
)
def test_files_that_are_none_are_reported(directory: Path, content: bytes, expected: str) -> None:
    """A broken file gets one sentence that says what is wrong with it, and where."""
    (directory / "cartctl.toml").write_bytes(content)
    error = refusal(None, None)
    assert expected in error.message
    assert error.message.startswith("cartctl.toml")
    assert "\n" not in error.message
    assert error.hint


def test_a_syntax_error_names_its_line(directory: Path) -> None:
    """The line stands in the sentence."""
    (directory / "cartctl.toml").write_text("[env.dev]\nx = \n")
    assert "line 2" in refusal(None, None).message


def test_a_directory_is_no_file(directory: Path) -> None:
    """`--config` with a directory is told as what it is."""
    assert "it is a directory" in refusal(str(directory), None).message
