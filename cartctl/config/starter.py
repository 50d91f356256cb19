"""The files that `config init` writes: a complete one, and a minimal one per purpose."""

from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from cartctl.config.model.required_sections import lines_of
from cartctl.config.source import shown
from cartctl.errors import ConfigError, Refused


@dataclass(frozen=True, slots=True)
class Written:
    """Where the configuration file was written."""

    kind: ClassVar[str] = "config_written"

    path: Path


def starter() -> str:
    """The commented starter file."""
    return files("cartctl.config").joinpath("starter.toml").read_text(encoding="utf-8")


class Purpose(StrEnum):
    """The purpose of a small configuration."""

    SMOKE = "smoke"
    MIGRATE = "migrate"
    DEPLOY = "deploy"


_SECTIONS = {
    Purpose.SMOKE: ("http",),
    Purpose.MIGRATE: ("database",),
    Purpose.DEPLOY: ("database", "cluster", "release", "http", "metrics"),
}
_HEADS = {
    Purpose.SMOKE: """\
# cartctl.toml: what `cartctl smoke` and `cartctl health` require.
# Your own tests: suites = ["smoke.toml"]; built_in = false if the API serves no carts.
# With an access token, the admin endpoints are tested as well: token = { env = "API_TOKEN" }
""",
    Purpose.MIGRATE: """\
# cartctl.toml: what migrate, snapshot, rehearse, cart and `rollback --database` require.
# CART_DSN is an environment variable; { file = "secrets/dsn" } reads a file. What the DSN omits is resolved as in psql.
""",
    Purpose.DEPLOY: """\
# cartctl.toml: what `cartctl deploy` and `cartctl rollback` require. `cartctl config init` without --for shows more.
""",
}
NEXT = {
    Purpose.SMOKE: "cartctl smoke",
    Purpose.MIGRATE: "cartctl migrate status",
    Purpose.DEPLOY: "cartctl preflight",
}


def starter_for(purpose: Purpose, environment: str) -> str:
    """The minimal file for a purpose and one environment, as TOML with comments."""
    return f"{_HEADS[purpose]}\n{lines_of(environment, _SECTIONS[purpose])}\n"


def write_starter(path: Path, text: str, *, force: bool) -> None:
    """Write a starter file.

    Raises Refused when the file exists and `force` is not given, ConfigError when it cannot be written.
    """
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as there:
        raise Refused(f"{shown(path)} exists already.", hint="Use --force to overwrite it.") from there
    except OSError as wrong:
        raise ConfigError(
            f"{shown(path)} cannot be written: {wrong.strerror}.", hint="Choose another path with --config."
        ) from wrong
