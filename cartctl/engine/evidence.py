"""Evidence in and out of JSON, and the guard that no undo overwrites somebody else's change."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from cartctl.engine.model import Change, Evidence
from cartctl.errors import Refused


class ChangedBySomebodyElse(Refused):
    """A value is neither what it was nor what this run asked for."""

    code = "changed_by_somebody_else"


def load(change: Change[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values as the Change's own type."""
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, change.value])  # type: ignore[name-defined]
    return adapter.validate_python(values)


def dump(change: Change[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The Change's own values as JSON."""
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, change.value])  # type: ignore[name-defined]
    dumped: dict[str, Any] = adapter.dump_python(dict(values), mode="json")
    return dumped


def refuse_foreign(change: Change[Any], evidence: Evidence) -> None:
    """Raise ChangedBySomebodyElse, with the difference, when a value is none that the run knows. Read-only."""
    ours = [load(change, values) for values in (evidence.before, *evidence.to)]
    for name, now in change.observe(evidence.names).items():
        if all(now != values.get(name) for values in ours):
            known = ", ".join(
                dict.fromkeys(str(values.get(name)) for values in (evidence.before, *evidence.to))
            )
            raise ChangedBySomebodyElse(
                f"{name} is {dump(change, {name: now})[name]}, which is none of what this run knows ({known}): somebody else has changed it.",
                hint="Put it right by hand, then run the command again.",
            )
