"""Read and parse untrusted files, TOML and JSON, with limits on size, file type, encoding and nesting.

Every file from a user or another program is read here, so that a pipe never blocks cartctl, a device never fills
its memory, and a byte order mark or Windows line ends make no difference.
"""

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from cartctl.errors import ConfigError

MEBIBYTE = 2**20
DEPTH = 100  # levels of nesting in TOML and JSON; a configuration has six
_MARK = b"\xef\xbb\xbf"  # UTF-8's byte order mark
_NO_FILE = "file not found"
# tomllib's time is quadratic in the parts of a key.
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:{_PART}){{{DEPTH}}}""", re.ASCII)


class InvalidInput(ConfigError):
    """A file or text that cannot be used; `reason` is why, without the file's name."""

    code = "invalid_input"

    def __init__(self, reason: str, *, path: Path | None = None, hint: str = "") -> None:
        super().__init__(f"{path}: {reason}." if path else f"{reason}.", hint=hint)
        self.reason = reason


class MissingInput(InvalidInput):
    """The file does not exist."""

    code = "missing_input"


# The exceptions of reading a parsed value of unexpected shape; an adapter translates them.
MALFORMED = (
    InvalidInput,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def read_bytes(path: Path, *, limit: int) -> bytes:
    """A regular file's content of at most `limit` bytes. Never blocks on a pipe or a device.

    Raises MissingInput, or InvalidInput if it is not a regular file, too large or unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise InvalidInput(f"it is {_kind(mode)}, not a regular file", path=path)
            content = stream.read(limit + 1)
    except FileNotFoundError as missing:
        raise MissingInput(_NO_FILE, path=path) from missing
    except IsADirectoryError as wrong:
        raise InvalidInput("it is a directory, not a regular file", path=path) from wrong
    except OSError as wrong:
        raise InvalidInput(f"it cannot be read: {wrong.strerror}", path=path) from wrong
    except ValueError as wrong:  # a name with a null byte or half a character
        raise InvalidInput("it is not a valid file name") from wrong
    if len(content) > limit:
        raise InvalidInput(f"it is larger than {_size(limit)}", path=path)
    return content


def read_text(path: Path, *, limit: int) -> str:
    """As `read_bytes`, decoded from UTF-8 without its byte order mark. Raises InvalidInput for any other encoding."""
    try:
        return read_bytes(path, limit=limit).removeprefix(_MARK).decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise InvalidInput("it is not UTF-8 text", path=path, hint="Save it as UTF-8.") from wrong


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML document. Raises InvalidInput for invalid TOML, and for excessive nesting or key length."""
    if _LONG_KEY.search(text):
        raise InvalidInput(f"a key has more than {DEPTH} parts")
    try:
        document = tomllib.loads(text)
    except RecursionError as wrong:
        raise InvalidInput(_too_deep()) from wrong
    except ValueError as wrong:
        raise InvalidInput(f"it is not valid TOML: {wrong}") from wrong
    _refuse_deep(document)
    return document


def parse_json(text: str | bytes, *, unique: bool = False) -> Any:
    """A JSON value. Raises InvalidInput for invalid JSON, NaN, Infinity, and excessive nesting.

    With `unique`, also for an object that repeats a key: readers disagree about which of the values counts.
    """
    try:
        pairs = _refuse_repeated if unique else None
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=pairs)
    except RecursionError as wrong:
        raise InvalidInput(_too_deep()) from wrong
    except ValueError as wrong:  # also a number of thousands of digits, or an unsupported encoding
        raise InvalidInput(f"it is not valid JSON: {wrong}") from wrong
    brackets = (
        text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    )
    if brackets > DEPTH:
        _refuse_deep(value)
    return value


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated[:60]!r} is repeated")
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_deep(value: Any) -> None:
    """Refuse deep nesting, because readers of the value may recurse; checked level by level."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _inner(outer)]
        if not level:
            return
    raise InvalidInput(_too_deep())


def _inner(value: dict[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value


def _too_deep() -> str:
    return f"it is nested more than {DEPTH} levels deep"


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device" if not stat.S_ISSOCK(mode) else "a socket"


def _size(limit: int) -> str:
    return f"{limit // MEBIBYTE} MiB" if limit >= MEBIBYTE else f"{limit} bytes"
