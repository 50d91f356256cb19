"""The sign-offs of a run, as its preflight recorded them: the table that the report shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cartctl.engine.events import Event, EventKind


@dataclass(frozen=True, slots=True)
class RunSignoff:
    """A role's approval that counted; `signature` is the key's type and fingerprint, empty for an unsigned one."""

    role: str
    name: str
    at: datetime | None
    signature: str = ""


def run_signoffs(events: Iterable[Event]) -> tuple[RunSignoff, ...]:
    """The approvals with which a run began; empty where none were required. Pure."""
    for event in events:
        result = event.data.get("result") if event.event == EventKind.APPLIED else None
        if event.key == "preflight" and isinstance(result, Mapping) and "signoffs" in result:
            return tuple(map(_signoff, result["signoffs"]))
    return ()


def _signoff(row: Mapping[str, Any]) -> RunSignoff:
    at = datetime.fromisoformat(row["at"]) if row.get("at") else None
    return RunSignoff(str(row["role"]), str(row["name"]), at, str(row.get("key", "")))
