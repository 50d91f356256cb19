"""Evidence in and out of JSON, and the guard that no undo overwrites somebody else's change."""

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
    """A value is neither what it was nor what this run asked for."""

    code = "changed_by_somebody_else"


def load(change: Change[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values as the Change's own type. Raises DamagedJournal for values of another."""
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, change.value])  # type: ignore[name-defined]
    try:
        return adapter.validate_python(values)
    except MALFORMED as wrong:
        raise DamagedJournal(
            f"What was recorded of {change.key}", "its values have an unknown form"
        ) from wrong


def dump(change: Change[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The Change's own values as JSON."""
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, change.value])  # type: ignore[name-defined]
    dumped: dict[str, Any] = adapter.dump_python(dict(values), mode="json")
    return dumped


def refuse_secrets(change: Change[Any], *values: Mapping[str, Any]) -> None:
    """Raise Refused when JSON values that are about to become evidence hold a registered secret.

    Evidence is never masked afterwards, since an undo needs it as it is: a secret is kept out when it is made.
    """
    for named in values:
        for name, value in named.items():
            if contains_secret(json.dumps(value, ensure_ascii=False)):
                raise Refused(
                    f"{change.key}: the value of {name} holds a secret of this configuration, and the journal would keep it.",
                    hint="Keep the secret out of that value, or choose another secret; then run the command again.",
                )


def guard_revert(change: Change[Any], evidence: Evidence) -> list[str]:
    """Refuse a revert that could not be done, before anything is reverted. Read-only.

    `change` is rebuilt from `evidence`. Returns remarks about changes of others that the revert keeps. Raises
    ModifiedExternally, and Refused for what could not take effect now. A plan's preview and its run both call it.
    """
    change.guard(load(change, evidence.before))
    refuse_modified(change, evidence)
    return change.remarks(evidence)


def revert(change: Change[Any], evidence: Evidence, pulse: "Pulse") -> list[str]:
    """Move a Change's values back to what they were. Returns remarks about changes of others that were kept.

    Raises ModifiedExternally before anything is moved, and what `move` raises.
    """
    refuse_modified(change, evidence)
    remarks = change.remarks(evidence)
    change.move(load(change, evidence.before), pulse)
    return remarks


def refuse_modified(change: Change[Any], evidence: Evidence) -> None:
    """Raise ModifiedExternally, with the difference, when a value is none that the run knows. Read-only."""
    ours = [load(change, values) for values in (evidence.before, *evidence.to)]
    for name, now in change.observe(evidence.names).items():
        if all(now != values.get(name) for values in ours):
            known = dict.fromkeys(change.show(name, values[name]) for values in ours if name in values)
            raise ModifiedExternally(
                f"{name} is {change.show(name, now)}, which this run neither found nor set ({', '.join(known)}):"
                " it was changed by somebody else.",
                hint="Set it to one of these by hand, then run the command again.",
            )
