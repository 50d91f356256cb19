"""Which environment a command works on, and where each of its values comes from.

Order: flag, environment variable (`CARTCTL_SECTION__KEY`), the file's `[env.NAME]`, its `[defaults]`, default.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError

from cartctl.config.keys import NOT_IN_THE_FILE, did_you_mean
from cartctl.config.layers import Layers, lay_file, lay_flags, lay_variables
from cartctl.config.model.environment import Environment
from cartctl.config.problems import Problem, as_error, of_validation
from cartctl.config.rules import judge
from cartctl.config.source import FILE_NAME, Source, find_source, read
from cartctl.derived_names import LOCAL_FILE, fit_name
from cartctl.errors import ConfigError

SANDBOX = "sandbox"
_PASSWORD = re.compile(r"password=(?:'[^']*'|\S+)|(?<=:)[^:@/]+(?=@)")
_SANDBOX_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The result of loading an environment; `environment` is None when there are problems."""

    name: str
    source: Source
    layers: Layers
    environment: Environment | None
    problems: tuple[Problem, ...] = ()


def state_directory() -> Path:
    """The directory for cartctl's own files on this machine; `CARTCTL_STATE_DIR` moves it."""
    return Path(os.environ.get("CARTCTL_STATE_DIR") or platformdirs.user_state_path("cartctl"))


def sandbox_directory(name: str = "default") -> Path:
    """The directory of a sandbox by name; its `cartctl.toml` is written by `sandbox up`."""
    return state_directory() / "sandbox" / name


def environment_directory(environment: Environment) -> Path:
    """The directory of one environment's files on this machine: journals, snapshots, saved rows.

    It is named after the environment and the journal's location, so that two projects' `production` stay apart.
    """
    database = environment.database
    place = _PASSWORD.sub("", (database.state or database.dsn).reveal())
    known_as = re.sub(r"[^A-Za-z0-9_.-]", "-", environment.name)
    digest = hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return state_directory() / "environments" / fit_name(known_as, LOCAL_FILE, f"-{digest}")


def load_environment(
    config: str | None,
    env: str | None,
    flags: Mapping[str, tuple[str, Any]] | None = None,
    *,
    sections: Iterable[str] = (),
) -> Environment:
    """The environment `env` of the file `config`, valid.

    `flags` are values of the command line by flag: `{"--monitor-for": ("monitor.for", "5m")}`.
    `sandbox` and `sandbox:NAME` are read from the sandbox's own file unless the given file has them.
    Raises ConfigError naming place, key and the nearest known name, MissingSection unless all `sections` are configured.
    """
    loaded = load_with_origins(config, env, flags)
    if loaded.environment is None:
        raise as_error(list(loaded.problems), loaded.layers, loaded.name)
    loaded.environment.require(*sections, file=loaded.source.shown)
    return loaded.environment


def load_address(api: str) -> Environment:
    """An environment that is an API's address alone, without a file; `CARTCTL_…` variables add to it. Raises ConfigError."""
    nothing = Source(Path(FILE_NAME), {"env": {"url": {}}}, {})
    loaded = load_table(nothing, "url", "url", {"--url": ("http.api", api)})
    if loaded.environment is None:
        raise as_error(list(loaded.problems), loaded.layers, loaded.name)
    return loaded.environment


def load_with_origins(
    config: str | None, env: str | None, flags: Mapping[str, tuple[str, Any]] | None = None
) -> Loaded:
    """As `load_environment`, with the origin of each value and every problem instead of the first.

    Raises ConfigError when the file or the environment does not exist.
    """
    source, table, name = choose(config, env)
    return load_table(source, table, name, flags)


def refuse(config: str | None, env: str | None, problems: Iterable[Problem]) -> None:
    """Raise ConfigError, with file, key and line, for problems that only a configured system can report."""
    if broken := list(problems):
        loaded = load_with_origins(config, env)
        raise as_error(broken, loaded.layers, loaded.name)


def load_other(environment: Environment, name: str) -> Environment:
    """Another environment of the file that `environment` was read from.

    `CARTCTL_…` variables are ignored: they are meant for the environment that the command works on. Raises ConfigError.
    """
    file = environment.source_file
    source, table, name = choose(str(file) if file and file.is_file() else None, name)
    loaded = load_table(source, table, name, variables=False)
    if loaded.environment is None:
        raise as_error(list(loaded.problems), loaded.layers, loaded.name)
    return loaded.environment


def load_table(
    source: Source,
    table: str,
    name: str,
    flags: Mapping[str, tuple[str, Any]] | None = None,
    *,
    variables: bool = True,
) -> Loaded:
    """The environment of one table of a file, called `name`; `variables`: whether `CARTCTL_…` variables count."""
    layers = Layers()
    lay_file(layers, source, table)
    if variables:
        lay_variables(layers)
    lay_flags(layers, flags or {})
    try:
        environment = Environment.model_validate(
            {**layers.values, "name": name, "source_file": source.path},
            context={"directory": source.path.absolute().parent},
        )
    except ValidationError as wrong:
        return Loaded(name, source, layers, None, tuple(of_validation(wrong)))
    problems = (*_misplaced(layers), *judge(environment))
    return Loaded(name, source, layers, None if problems else environment, problems)


def choose(config: str | None, env: str | None) -> tuple[Source, str, str]:
    """Choose the file, the table in it and the environment's name. Raises ConfigError naming the choices."""
    source = find_source(config)
    name = env or (_default(source) if source else SANDBOX)
    if source is not None and name in source.environments:
        return source, name, name
    if source is None and env is None and not (sandbox_directory() / FILE_NAME).is_file():
        raise ConfigError(
            f"No {FILE_NAME} in this directory or a parent, and no sandbox is running.",
            hint="Write one with cartctl config init --for smoke, migrate or deploy; or try cartctl sandbox up.",
        )
    kind, _, sandbox = name.partition(":")
    if kind == SANDBOX:
        return _sandbox_source(sandbox or "default"), SANDBOX, name
    if source is None:
        raise ConfigError(
            f"No {FILE_NAME} in this directory or a parent; environment {name!r} not found.",
            hint="Set the file with --config, write one with cartctl config init, or use --env sandbox.",
        )
    raise _unknown(source, name)


def _default(source: Source) -> str:
    names = list(source.environments)
    if default := source.document.get("default_env"):
        return str(default)
    if len(names) == 1:
        return names[0]
    if not names:
        raise ConfigError(f"{source.shown} has no environment.", hint="Write a table [env.NAME].")
    raise ConfigError(
        f"{source.shown} has several environments and none was chosen.",
        hint=f"Use --env with one of {', '.join(names)}, or set default_env.",
    )


def _unknown(source: Source, name: str) -> ConfigError:
    names = [*source.environments, SANDBOX]
    return ConfigError(
        f"{source.shown} has no environment {name!r}{did_you_mean(name, names)}",
        hint=f"Environments here: {', '.join(names)}.",
    )


def _sandbox_source(sandbox: str) -> Source:
    if not _SANDBOX_NAME.fullmatch(sandbox):
        raise ConfigError(
            f"Invalid sandbox name {sandbox!r}.",
            hint="Use lower-case letters, digits, dashes and underscores.",
        )
    path = sandbox_directory(sandbox) / FILE_NAME
    name = "" if sandbox == "default" else f" --name {sandbox}"
    if not path.is_file():
        raise ConfigError(
            "The sandbox is not running: it has no configuration yet.", hint=f"cartctl sandbox up{name}"
        )
    source = read(path)
    if SANDBOX not in source.environments:
        raise ConfigError(
            f"{path} is not a sandbox's configuration: it has no [env.sandbox].",
            hint=f"cartctl sandbox up{name}",
        )
    return source


def _misplaced(layers: Layers) -> list[Problem]:
    """Fields of the model that are not keys of the file."""
    misplaced = sorted(NOT_IN_THE_FILE & layers.values.keys())
    return [Problem((key,), "is not a known key") for key in misplaced]
