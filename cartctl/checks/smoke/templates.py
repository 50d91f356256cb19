"""Placeholders `{{name}}` in a suite's texts: variables, values of a matrix and captured values."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")


def placeholders(value: Any) -> Iterator[str]:
    """The names used in a text, or in the texts inside a JSON value."""
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from placeholders(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from placeholders(inner)


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """The value with its placeholders replaced; a text that is one placeholder becomes the value itself, a number too."""
    if isinstance(value, str):
        whole = _PLACEHOLDER.fullmatch(value)
        return values[whole[1]] if whole else _PLACEHOLDER.sub(lambda one: as_text(values[one[1]]), value)
    if isinstance(value, Mapping):
        return {key: fill(inner, values) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [fill(inner, values) for inner in value]
    return value


def fill_path(path: str, values: Mapping[str, Any]) -> str:
    """A path with its placeholders replaced, each as one part of the path or query."""
    return _PLACEHOLDER.sub(lambda one: quote(as_text(values[one[1]]), safe=""), path)


def fill_text(text: str, values: Mapping[str, Any]) -> str:
    """A text with its placeholders replaced."""
    return _PLACEHOLDER.sub(lambda one: as_text(values[one[1]]), text)


def as_text(value: Any) -> str:
    """A value inside a text: true and false as JSON writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)
