"""Evidence as JSON, and the guard that keeps an undo from overwriting external modifications."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from cartctl.engine.journal.lines import DamagedJournal
from cartctl.engine.model import Change, Evidence
from cartctl.errors import Refused
from cartctl.inputs import MALFORMED
from cartctl.redaction import contains_secret

if TYPE_CHECKING:
    from cartctl.engine.pulse import Pulse


class ModifiedExternally(Refused):
    """A value is neither the previous one nor one that this run set."""

    code = "changed_by_somebody_else"


def load(change: Change[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert JSON values to the Change's value type. Raises DamagedJournal for any other values."""
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, change.value])  # type: ignore[name-defined]
    try:
        return adapter.validate_python(values)
    except MALFORMED as wrong:
        raise DamagedJournal(f"The evidence of {change.key}", "its values have an unknown format") from wrong


def dump(change: Change[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the Change's values to JSON."""
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, change.value])  # type: ignore[name-defined]
    dumped: dict[str, Any] = adapter.dump_python(dict(values), mode="json")
    return dumped


def refuse_secrets(change: Change[Any], *values: Mapping[str, Any]) -> None:
    """Raise Refused if JSON values that are about to become evidence contain a registered secret.

    Evidence is never redacted, because an undo needs the exact values; so a secret must not get into it.
    """
    for named in values:
        for name, value in named.items():
            if contains_secret(json.dumps(value, ensure_ascii=False)):
                raise Refused(
                    f"{change.key}: the value of {name} contains a secret of this configuration, which would be stored in the journal.",
                    hint="Remove the secret from that value, or change the secret; then run the command again.",
                )


def guard_revert(change: Change[Any], evidence: Evidence) -> list[str]:
    """Refuse a revert that would not succeed, before anything is reverted. Read-only.

    `change` is rebuilt from `evidence`. Returns remarks about external modifications that the revert keeps. Raises
    ModifiedExternally, and Refused if the revert could not take effect now. Called by the preview and by the run.
    """
    change.guard(load(change, evidence.before))
    refuse_modified(change, evidence)
    return change.remarks(evidence)


def revert(change: Change[Any], evidence: Evidence, pulse: "Pulse") -> list[str]:
    """Move a Change's values back to their previous state. Returns remarks about external modifications that were kept.

    Raises ModifiedExternally before anything is moved, and whatever `move` raises.
    """
    refuse_modified(change, evidence)
    remarks = change.remarks(evidence)
    change.move(load(change, evidence.before), pulse)
    return remarks


def refuse_modified(change: Change[Any], evidence: Evidence) -> None:
    """Raise ModifiedExternally, with the difference, if a current value is unknown to the run. Read-only."""
    ours = [load(change, values) for values in (evidence.before, *evidence.to)]
    for name, now in change.observe(evidence.names).items():
        if all(now != values.get(name) for values in ours):
            known = dict.fromkeys(change.show(name, values[name]) for values in ours if name in values)
            raise ModifiedExternally(
                f"{name} is {change.show(name, now)}, which is neither the previous value nor one set by this run ({', '.join(known)}):"
                " it was modified externally.",
                hint="Set it to one of these values, then run the command again.",
            )
