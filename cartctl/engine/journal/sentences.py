"""The human-readable texts in an event's data. They are redacted before a journal stores them.

Everything else is evidence or is read by a resume, and is stored unchanged; evidence with a secret is refused instead.
"""

from collections.abc import Mapping
from typing import Any

from cartctl.redaction import redact

SENTENCES = frozenset({"message", "hint", "cause", "reason", "warnings", "output", "failed", "checks"})


def recordable(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data as a journal stores it: texts redacted, including those in an Action's result."""
    return {
        name: _sanitised(value) if name in SENTENCES else _within(name, value) for name, value in data.items()
    }


def _within(name: str, value: Any) -> Any:
    return recordable(value) if name == "result" and isinstance(value, dict) else value


def _sanitised(value: Any) -> Any:
    """Redact, and escape what PostgreSQL text cannot store: NUL and unpaired surrogates."""
    if isinstance(value, str):
        return redact(value).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_sanitised(one) for one in value]
    if isinstance(value, Mapping):  # a check's result
        return {name: _sanitised(one) for name, one in value.items()}
    return value
