"""The configuration file: its path, its content, and the line of each key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartctl.config.key_paths import KeyPath, dotted
from cartctl.config.keys import nearest
from cartctl.errors import ConfigError
from cartctl.inputs import InvalidInput, MissingInput, parse_toml, read_text

FILE_NAME = "cartctl.toml"
SIZE_LIMIT = 1024 * 1024  # bytes; a configuration is a few kilobytes
TOP_LEVEL = ("default_env", "defaults", "env")

_HINT = "A starter file shows the form: cartctl config init --config FILE"
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*\[\s*({_NAME})\s*\]")
_ELEMENT = re.compile(rf"\s*\[\[\s*({_NAME})\s*\]\]")
_KEY = re.compile(rf"\s*({_NAME})\s*=")


@dataclass(frozen=True, slots=True)
class Source:
    """One file, read: its tables and the line (from 1) of each key path."""

    path: Path
    document: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    @property
    def shown(self) -> str:
        """The file's name in messages: relative where that is shorter."""
        return shown(self.path)

    @property
    def environments(self) -> dict[str, Any]:
        """The tables of `[env]` by name."""
        return dict(self.document.get("env", {}))

    def line(self, path: KeyPath) -> int | None:
        """The line of a key path, or else that of the innermost table around it."""
        lines = (self.lines.get(path[:depth]) for depth in range(len(path), 0, -1))
        return next((line for line in lines if line is not None), None)

    def at(self, path: KeyPath) -> str:
        """`file:line` of a key path, or the file alone."""
        line = self.line(path)
        return f"{self.shown}:{line}" if line else self.shown


def find(start: Path) -> Path | None:
    """The nearest `cartctl.toml` in a directory or those above it."""
    candidates = (directory / FILE_NAME for directory in (start, *start.parents))
    return next((path for path in candidates if path.is_file()), None)


def find_source(config: str | None) -> Source | None:
    """The file `config`, else the nearest `cartctl.toml`, read; None when there is none. Raises ConfigError."""
    path = Path(config).expanduser() if config else find(Path.cwd())
    return read(path) if path else None


def shown(path: Path) -> str:
    """A path in messages: relative to the working directory if it is inside."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(path)


def read(path: Path) -> Source:
    """Read a configuration file.

    Raises ConfigError when it cannot be read, is too large, is not TOML, or has unknown top-level keys.
    """
    try:
        text = read_text(path, limit=SIZE_LIMIT)
        document = parse_toml(text)
    except MissingInput as missing:
        raise ConfigError(
            f"File not found: {shown(path)}.", hint="Check --config, or write one with cartctl config init."
        ) from missing
    except InvalidInput as wrong:
        raise ConfigError(f"{shown(path)}: {wrong.reason}.", hint=wrong.hint or _HINT) from wrong
    source = Source(path, document, key_lines(text))
    _check_top_level(source)
    return source


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line of each table header and each key at the beginning of a line.

    A scan, since TOML parsers do not keep line numbers: keys inside an inline table have that table's line. The elements of an
    array of tables (`[[name]]`) are counted from 0: `("name", "0", "key")`.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    quote = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if not quote and (header := _ELEMENT.match(line)):
            array = _inside(_parts(f"[{header[1]}]"), counts)
            counts[array] = counts.get(array, 0) + 1
            table = (*array, str(counts[array] - 1))
            lines.setdefault(array, number)
            lines.setdefault(table, number)
        elif not quote and (header := _TABLE.match(line)):
            table = _inside(_parts(f"[{header[1]}]"), counts)
            lines.setdefault(table, number)
        elif not quote and (key := _KEY.match(line)):
            lines.setdefault((*table, *_parts(f"{key[1]} = 0")), number)
        for mark in re.findall(r'"""|' + "'''", line):
            quote = "" if quote == mark else quote or mark
    return lines


def _inside(path: KeyPath, counts: Mapping[KeyPath, int]) -> KeyPath:
    """The path of a header, in which an array of tables means its latest element."""
    result: KeyPath = ()
    for part in path[:-1]:
        result = (*result, part)
        if result in counts:
            result = (*result, str(counts[result] - 1))
    return (*result, *path[-1:])


def _parts(toml: str) -> KeyPath:
    """The key path of a header or a key, unquoted by TOML's rules."""
    try:
        table: Any = parse_toml(toml)
    except InvalidInput:
        return ()
    parts: list[str] = []
    while isinstance(table, dict) and table:
        key, table = next(iter(table.items()))
        parts.append(key)
    return tuple(parts)


def _check_top_level(source: Source) -> None:
    for key, value in source.document.items():
        if key not in TOP_LEVEL:
            suggestion = nearest(key, TOP_LEVEL)
            raise ConfigError(
                f"{source.at((key,))}: `{dotted((key,))}` is not a known key"
                + (f"; did you mean `{suggestion}`?" if suggestion else "."),
                hint="The top level has default_env, [defaults] and [env.NAME]; settings belong under an environment.",
            )
        expected = str if key == "default_env" else dict
        if not isinstance(value, expected):
            kind = "a text" if expected is str else "a table"
            raise ConfigError(
                f"{source.at((key,))}: `{key}` must be {kind}.", hint="See cartctl config init."
            )
    for name, table in source.environments.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{source.at(('env', name))}: `{dotted(('env', name))}` must be a table.",
                hint=f"Write the environment's settings under [env.NAME]; is `{dotted((name,))}` one of them?",
            )
