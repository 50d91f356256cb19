"""The sentences in an event's data: what people read, and no undo. They are redacted before a journal keeps them.

Everything else is evidence or is read by a resume, and is kept as it is: a secret is kept out of it when it is made.
"""

from collections.abc import Mapping
from typing import Any

from cartctl.redaction import redact

SENTENCES = frozenset({"message", "hint", "cause", "reason", "warnings", "output", "failed"})


def recordable(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data as a journal keeps it, its sentences redacted, those in an Action's result included."""
    return {name: _told(value) if name in SENTENCES else _within(name, value) for name, value in data.items()}


def _within(name: str, value: Any) -> Any:
    return recordable(value) if name == "result" and isinstance(value, dict) else value


def _told(value: Any) -> Any:
    """Also without what no database's text holds: NUL and half characters."""
    if isinstance(value, str):
        return redact(value).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    return value
