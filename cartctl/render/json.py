"""Results as JSON: every object has `kind` and `version`; times ISO 8601 UTC, durations in seconds, money as strings."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

VERSION = 1


def plain(value: Any) -> Any:
    """`value` as JSON types. Dataclasses become objects with their fields and, where they have them, listed properties."""
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return value.value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal() | Path():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in fields(value)] + list(getattr(value, "shown", ()))
            return {name: plain(getattr(value, name)) for name in names}
        case Iterable():
            return [plain(item) for item in value]
    return str(value)


def document(result: Any) -> dict[str, Any]:
    """A result as the object that is written; its type's `kind` names it."""
    return {"kind": result.kind, "version": VERSION, **plain(result)}


def write(result: Any, stream: TextIO) -> None:
    """One JSON object, indented, and a newline."""
    stream.write(json.dumps(document(result), indent=2, ensure_ascii=False) + "\n")


def write_line(result: Any, stream: TextIO) -> None:
    """One JSON object on one line (NDJSON), flushed."""
    stream.write(json.dumps(document(result), ensure_ascii=False) + "\n")
    stream.flush()
