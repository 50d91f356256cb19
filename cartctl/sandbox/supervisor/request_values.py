"""Values of a control request, validated before use: the right type, in range, and no unknown fields."""

import json
from collections.abc import Mapping
from typing import Any

DEEPEST = "the JSON is nested too deeply"
TEXT = 1024 * 1024  # characters of one value; a ConfigMap holds no more either


class Bad(Exception):
    """An invalid request: HTTP status, message and hint; `code` is for the client."""

    def __init__(self, status: int, message: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.hint, self.code = status, message, hint, code


def read_object(content: bytes) -> dict[str, Any]:
    """A JSON object. Raises Bad 400 for anything else."""
    try:
        document = json.loads(content)
    except RecursionError:
        raise Bad(400, DEEPEST) from None
    except ValueError as wrong:
        raise Bad(400, f"invalid JSON: {wrong}") from None
    if not isinstance(document, dict):
        raise Bad(400, f"the body must be a JSON object, not {_kind(document)}")
    return document


def only(body: Mapping[str, Any], *names: str) -> None:
    """Refuse unknown fields, which are probably misspelt."""
    unknown = sorted(set(body) - set(names))
    if unknown:
        expected = ", ".join(names) or "none"
        raise Bad(400, f"unknown field {', '.join(map(repr, unknown))}", f"Fields: {expected}.")


def integer(body: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """A whole number within limits; true and 2.0 are none."""
    value = _required(body, name)
    if type(value) is not int:
        raise Bad(400, f"{name} must be an integer, not {_kind(value)}")
    if not least <= value <= most:
        raise Bad(400, f"{name} must be {least} to {most}", f"{str(value)[:40]} was requested.")
    return value


def boolean(body: Mapping[str, Any], name: str) -> bool:
    """True or false."""
    value = _required(body, name)
    if not isinstance(value, bool):
        raise Bad(400, f"{name} must be true or false, not {_kind(value)}")
    return value


def text(body: Mapping[str, Any], name: str) -> str:
    """A text that can be stored."""
    return _text(name, _required(body, name))


def texts(body: Mapping[str, Any], name: str) -> dict[str, str]:
    """An object of texts, with at least one."""
    values = _object(body, name)
    if not values:
        raise Bad(400, f"{name} must not be empty")
    return {key: _text(f"{name}.{key}", value) for key, value in values.items()}


def changes(body: Mapping[str, Any], name: str) -> dict[str, str | None]:
    """An object of texts and nulls."""
    values = _object(body, name)
    return {key: None if value is None else _text(f"{name}.{key}", value) for key, value in values.items()}


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = _required(body, name)
    if not isinstance(value, dict):
        raise Bad(400, f"{name} must be an object, not {_kind(value)}")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Bad(400, f"{name[:100]!r} must be a string, not {_kind(value)}")
    if len(value) > TEXT:
        raise Bad(400, f"{name[:100]!r} is longer than {TEXT} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Bad(400, f"{name[:100]!r} is not valid Unicode") from None
    return value


def _required(body: Mapping[str, Any], name: str) -> Any:
    if name not in body:
        raise Bad(400, f"missing field {name!r}")
    return body[name]


def _kind(value: Any) -> str:
    names = {bool: "a boolean", dict: "an object", list: "an array", str: "a string", type(None): "null"}
    return names.get(type(value), "a number")
