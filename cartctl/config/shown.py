"""An environment as it is shown: every value with the place it comes from, secrets by their reference only."""

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any, ClassVar

from cartctl.config.key_paths import KeyPath, dotted
from cartctl.config.keys import leaves
from cartctl.config.load import Loaded
from cartctl.config.problems import as_error
from cartctl.config.values import Secret, format_duration


@dataclass(frozen=True, slots=True)
class Setting:
    """One value; `origin` is a flag, a variable, `file:line` or `default`."""

    key: str
    value: Any
    origin: str

    @property
    def text(self) -> str:
        """The value as the file would write it."""
        return _text(self.value)


@dataclass(frozen=True, slots=True)
class ConfigShown:
    """Every setting of an environment."""

    kind: ClassVar[str] = "config"

    environment: str
    file: str
    settings: tuple[Setting, ...]


def show(loaded: Loaded) -> ConfigShown:
    """The settings of a loaded environment. Raises ConfigError for an invalid one."""
    if loaded.environment is None:
        raise as_error(list(loaded.problems), loaded.layers, loaded.name)
    settings: list[Setting] = []
    for path, value in leaves(loaded.environment):
        settings += _settings(path, value, loaded)
    return ConfigShown(loaded.name, str(loaded.source.path.absolute()), tuple(settings))


def _settings(path: KeyPath, value: Any, loaded: Loaded) -> list[Setting]:
    """One setting, or one for each key of a free table, since each key has its own origin."""
    if isinstance(value, dict) and value:
        return [setting for key, one in value.items() for setting in _settings((*path, key), one, loaded)]
    given = path in loaded.layers.origins
    origin = str(loaded.layers.origins[path]) if given else "default"
    return [Setting(dotted(path), _safe(value), origin)]


def _safe(value: Any) -> Any:
    """A value without secrets."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, tuple):
        return tuple(_safe(one) for one in value)
    return value


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, tuple):
        return ", ".join(_text(one) for one in value) or "none"
    return "none" if value == {} else str(value)
