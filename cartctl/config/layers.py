"""Values laid over one another - defaults of the file, environment of the file, variables, flags - each with its origin."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cartctl.config.key_paths import KeyPath, dotted
from cartctl.config.keys import bare, held_at, is_reference, keys_of, nearest
from cartctl.config.model.environment import Environment
from cartctl.config.source import Source
from cartctl.errors import ConfigError

PREFIX = "CARTCTL_"
OWN_VARIABLES = ("env", "config", "state_dir", "scratch_dsn")  # of options and directories, not of the file
MISTAKEN = {
    "environment": "env",
    "evn": "env",
    "nev": "env",
    "configuration": "config",
    "state_directory": "state_dir",
}
DELIMITER = "__"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was given: `place` is a flag, a variable or `file:line`; in a file, under which table."""

    kind: Literal["flag", "variable", "file", "default"]
    place: str = "default"
    table: str = ""

    def __str__(self) -> str:
        return self.place


@dataclass(slots=True)
class Layers:
    """A tree of values and the origin of each, later layers over earlier ones. Tables merge by key, all else replaces."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, Origin] = field(default_factory=dict)

    def put(self, tree: Mapping[str, Any], origin: Callable[[KeyPath], Origin], above: KeyPath = ()) -> None:
        """Lay a tree over the present one; `origin` names the place of each of its key paths."""
        for key, value in tree.items():
            path = (*above, key)
            if isinstance(value, Mapping) and not is_reference(held_at(path)):
                self._table(path)
                self.origins.setdefault(path, origin(path))
                self.put(value, origin, path)
            else:
                self._forget(path)
                self._parent(path)[key] = value
                self.origins[path] = origin(path)

    def origin(self, path: KeyPath) -> Origin:
        """The origin of a key path, or else of the innermost table around it."""
        origins = (self.origins.get(path[:depth]) for depth in range(len(path), 0, -1))
        return next((origin for origin in origins if origin), Origin("default"))

    def _parent(self, path: KeyPath) -> dict[str, Any]:
        table = self.values
        for key in path[:-1]:
            table = table[key]
        return table

    def _table(self, path: KeyPath) -> None:
        parent = self._parent(path)
        if not isinstance(parent.get(path[-1]), dict):
            self._forget(path)
            parent[path[-1]] = {}

    def _forget(self, path: KeyPath) -> None:
        if path not in self.origins:  # the usual case: a file of many keys would else take quadratic time
            return
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]


def lay_file(layers: Layers, source: Source, name: str) -> None:
    """Lay `[defaults]` and then `[env.NAME]` of a file."""
    tables = (
        (("defaults",), source.document.get("defaults", {})),
        (("env", name), source.environments[name]),
    )
    for table, tree in tables:

        def origin(path: KeyPath, table: KeyPath = table) -> Origin:
            return Origin("file", source.at((*table, *path)), dotted(table))

        layers.put(tree, origin)


def lay_variables(layers: Layers) -> None:
    """Lay what `CARTCTL_…` variables say. Raises ConfigError for one that names no section."""
    given = {_variable_path(name): name for name in os.environ if name.upper().startswith(PREFIX)}
    _check_sections(given)
    if not any(path[0] in keys_of(Environment) for path in given):
        return  # the usual case, without loading what reads them
    from cartctl.config.variables import read_variables

    def origin(path: KeyPath) -> Origin:
        lower = tuple(key.lower() for key in path)
        names = (given.get(lower[:depth]) for depth in range(len(path), 0, -1))
        name = next((name for name in names if name), PREFIX + DELIMITER.join(path).upper())
        return Origin("variable", name)

    layers.put(_as_references(read_variables(PREFIX, DELIMITER), origin), origin)


def lay_flags(layers: Layers, flags: Mapping[str, tuple[str, Any]]) -> None:
    """Lay values of the command line: flag → (dotted key, value)."""
    for flag, (key, value) in flags.items():
        path = tuple(key.split("."))
        tree: Any = value
        for part in reversed(path):
            tree = {part: tree}
        layers.put(tree, lambda _, flag=flag: Origin("flag", flag))  # type: ignore[misc]


def _variable_path(name: str) -> KeyPath:
    return tuple(name[len(PREFIX) :].lower().split(DELIMITER))


def _check_sections(given: Mapping[KeyPath, str]) -> None:
    known = list(keys_of(Environment))
    for path, name in given.items():
        if len(path) == 1 and path[0] not in known:
            _refuse_misspelt(path[0], name)
        if len(path) > 1 and path[0] not in known:
            suggestion = nearest(path[0], known)
            rest = DELIMITER.join(path[1:]).upper()
            raise ConfigError(
                f"The environment variable {name} does not match any section of the configuration"
                + (f"; did you mean {PREFIX}{suggestion.upper()}{DELIMITER}{rest}?" if suggestion else "."),
                hint=f"Sections are {', '.join(_sections(known))}.",
            )


def _refuse_misspelt(given: str, name: str) -> None:
    """Raise ConfigError for a name like one of cartctl's own: ignored, it could lead to another environment."""
    meant = MISTAKEN.get(given) or nearest(given, OWN_VARIABLES, cutoff=0.86)
    if meant and given not in OWN_VARIABLES:
        raise ConfigError(
            f"unknown environment variable {name}; did you mean {PREFIX}{meant.upper()}?",
            hint=f"Rename it, or remove it with: unset {name}",
        )


def _sections(known: Iterable[str]) -> list[str]:
    return [
        key
        for key in known
        if isinstance(bare(held_at((key,))), type) and hasattr(held_at((key,)), "model_fields")
    ]


def _as_references(tree: Mapping[str, Any], origin: Callable[[KeyPath], Origin], above: KeyPath = ()) -> Any:
    """A secret given in a variable is kept as a reference to that variable, not as a literal."""
    references: dict[str, Any] = {}
    for key, value in tree.items():
        path = (*above, key)
        if isinstance(value, Mapping) and not is_reference(held_at(path)):
            references[key] = _as_references(value, origin, path)
        else:
            literal = isinstance(value, str) and is_reference(held_at(path))
            references[key] = {"env": origin(path).place} if literal else value
    return references
