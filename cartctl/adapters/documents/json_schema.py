"""JSON Schema: whether a value has the shape that a schema describes. References outside the schema are never retrieved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from jsonschema_rs import ReferencingError, ValidationError, ValidationErrorKind

SHOWN = 120  # characters of a message


@dataclass(frozen=True, slots=True)
class Violation:
    """One difference between a value and its schema: the value's place (`items[0].price`) and what is wrong with it."""

    path: str
    reason: str

    def __str__(self) -> str:
        place = self.path or "the body"
        return f"{place} {self.reason}" if self.reason.startswith("is ") else f"{place}: {self.reason}"


class JsonSchema:
    """A compiled schema: draft 2020-12 unless its `$schema` names another. Raises ValueError for an invalid schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, validate_formats=True, retriever=_refuse, pattern_options=_PATTERNS
            )
        except ValidationError as error:
            place = format_path(error.instance_path)
            raise ValueError(
                f"is not a valid JSON Schema{' at ' + place if place else ''}: {_short(error.message)}"
            ) from error
        except (ReferencingError, ValueError) as error:
            raise ValueError(f"is not a valid JSON Schema: {_short(str(error))}") from error

    def violations(self, value: Any) -> Iterator[Violation]:
        """What is wrong with a value, missing fields and wrong types by name; nothing if it is valid."""
        for error in self._validator.iter_errors(value):
            yield _violation(error)


_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)


def _refuse(uri: str) -> Any:
    raise ValueError(f"it refers to another document, {uri}")


def format_path(parts: Sequence[str | int]) -> str:
    """A place in a JSON value, like `items[0].price`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _violation(error: ValidationError) -> Violation:
    path, kind = format_path(error.instance_path), error.kind
    match kind:
        case ValidationErrorKind.Required():
            return Violation(f"{path}.{kind.property}".removeprefix("."), "is missing")
        case ValidationErrorKind.Type():
            expected = " or ".join(str(name) for name in kind.types)
            return Violation(path, f"is {type_of(error.instance)}, not {expected}")
        case _:
            return Violation(path, _short(error.message))


def type_of(value: Any) -> str:
    """A JSON value's type, as JSON Schema names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names.get(type(value), type(value).__name__)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[:SHOWN] + "…"
