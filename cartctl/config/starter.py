"""The file that `config init` writes."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

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


def write_starter(path: Path, *, force: bool) -> None:
    """Write the starter file.

    Raises Refused when there is a file already and `force` is not given, ConfigError when it cannot be written.
    """
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(starter())
    except FileExistsError as there:
        raise Refused(f"{shown(path)} exists already.", hint="Use --force to overwrite it.") from there
    except OSError as wrong:
        raise ConfigError(
            f"{shown(path)} cannot be written: {wrong.strerror}.", hint="Choose another path with --config."
        ) from wrong
