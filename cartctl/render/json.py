"""Results as JSON: every object has `kind` and `version`; times ISO 8601 UTC, durations in seconds, money as strings."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

from cartctl.redaction import redact_data
from cartctl.render.output import Ready
from cartctl.render.safe_text import CONTROLS

VERSION = 1


_SCALARS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    (float, lambda value: value if math.isfinite(value) else None),  # JSON has no NaN
    ((str, int, type(None)), lambda value: value),
    (datetime, lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z")),
    (date, date.isoformat),
    (timedelta, timedelta.total_seconds),
    ((Decimal, Path), str),
)  # the first match counts: an Enum may be a str, a datetime is a date


def plain(value: Any) -> Any:
    """`value` as JSON types. Dataclasses become objects with their fields and, where they have them, listed properties."""
    for kinds, as_json in _SCALARS:
        if isinstance(value, kinds):
            return as_json(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)] + list(getattr(value, "shown", ()))
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def document(result: Any) -> dict[str, Any]:
    """A result as the object that is written; its type's `kind` names it."""
    return {"kind": result.kind, "version": VERSION, **plain(result)}


def write(result: Any, stream: TextIO) -> None:
    """One JSON object, indented, and a newline."""
    stream.write(_serialised(document(result), indent=2))


def write_line(result: Any, stream: TextIO) -> None:
    """One JSON object on one line (NDJSON), flushed."""
    write_object(document(result), stream)


def write_object(fields: dict[str, Any], stream: TextIO) -> None:
    """Fields that are already JSON values, on one line, flushed."""
    stream.write(_serialised(fields))
    stream.flush()


def _serialised(fields: dict[str, Any], indent: int | None = None) -> Ready:
    """Masked value by value, so that it stays valid JSON; control characters are written as JSON escapes."""
    text = json.dumps(redact_data(fields), indent=indent, ensure_ascii=False, allow_nan=False)
    return Ready(CONTROLS.sub(lambda match: json.dumps(match[0])[1:-1], text) + "\n")
