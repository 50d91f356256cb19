"""Where each value of an environment comes from: environment variable, file, default."""

import os
import tomllib
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError

from cartctl.config.model import Environment
from cartctl.errors import ConfigError


def state_directory() -> Path:
    """Where cartctl keeps what is its own on this machine; `CARTCTL_STATE_DIR` moves it."""
    return Path(os.environ.get("CARTCTL_STATE_DIR") or platformdirs.user_state_path("cartctl"))


def sandbox_directory(name: str = "default") -> Path:
    """The directory of a sandbox by name; its `cartctl.toml` is written by `sandbox up`."""
    return state_directory() / "sandbox" / name


def load_environment(config: str | None, env: str | None) -> Environment:
    """The environment `env` (default: the file's `default_env`, else sandbox) of the file `config`.

    `sandbox` and `sandbox:NAME` are read from the sandbox's own file unless the given file has them.
    Raises ConfigError naming file, key and the nearest known name.
    """
    path = Path(config) if config else sandbox_directory() / "cartctl.toml"
    name = env or "sandbox"
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Environment(name=name, **document["env"][name])
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValidationError) as wrong:
        raise ConfigError(f"{path}: {wrong}") from wrong
