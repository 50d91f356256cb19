"""docs/json.md: every JSON document, read from the types that are written, and the events of a run."""

import inspect
from typing import Any

from cartctl.engine.model import Change
from cartctl.render.json import VERSION
from cartctl.render.run.ndjson import SHOWN_EVENTS
from tests.docs.json_kinds import below, document_types, fields_of, heading_of
from tests.docs.markdown import anchor, code, table, text_of, title

INTRODUCTION = f"""\
With `-o json` a command writes its result to stdout as one JSON object with `kind` and `version` (now {VERSION}), followed by
the fields below. `deploy`, `rollback` and the other commands that execute a plan write one object per line: events, then the
report (`run`). `monitor`, `logs`, `cart recovery --apply` also write one object per line. A failed command writes an `error`.

Times are ISO 8601 in UTC, durations are seconds, amounts of money are strings. A number that JSON lacks (NaN) is null. Fields
are added in later versions; released fields keep name and meaning."""

PRODUCERS = {  # kind → the commands that write it
    "cart_job": ("cart recovery", "cart expire", "cart cleanup"),
    "cart_restore_plan": ("snapshot restore --cart-only --plan",),
    "cart_stats": ("cart stats",),
    "checks": ("preflight", "smoke", "health", "rehearse", "migrate verify", "migrate lint", "snapshot verify", "config check", "signoff verify"),
    "config": ("config show",),
    "config_written": ("config init",),
    "drop_plan": ("rollback --database --plan, in rollback_plan",),
    "dry_run": ("migrate deploy --dry-run",),
    "exported": ("migrate export", "monitor export"),
    "flag_list": ("flags list",),
    "flags": ("flags eval",),
    "history": ("history",),
    "index_plan": ("migrate index",),
    "indexes": ("migrate index --concurrently",),
    "load": ("sandbox load",),
    "log": ("logs, one per line",),
    "logs": ("logs, the last line",),
    "migrated": ("migrate deploy", "migrate adopt"),
    "migration_plan": ("migrate deploy --plan",),
    "migrations": ("migrate status",),
    "plan": ("plan", "deploy --plan"),
    "preview": ("rollout preview",),
    "pruned": ("snapshot prune",),
    "put_back": ("snapshot restore --cart-only",),
    "quote": ("cart quote",),
    "recovery_claim": ("cart recovery --apply, one per line",),
    "replay": ("monitor --replay",),
    "restore_plan": ("snapshot restore --plan",),
    "restored": ("snapshot restore",),
    "rollback_plan": ("rollback --plan",),
    "rollout": ("rollout status",),
    "run": ("report", "the last line of a run"),
    "sandbox": ("sandbox up", "sandbox down", "sandbox status"),
    "seeded": ("sandbox seed",),
    "attestation": ("signoff attest, in signoff_records",),
    "signoff": ("signoff add, in signoff_records",),
    "signoff_records": ("signoff add", "signoff attest", "signoff import", "the file of --to"),
    "signoff_request": ("signoff request", "its file"),
    "signoffs": ("signoff list",),
    "snapshot": ("snapshot create",),
    "snapshots": ("snapshot list",),
    "tick": ("monitor, one per line",),
    "unlocked": ("unlock",),
    "unmoved": ("rollout advance --auto",),
}  # fmt: skip

EVENT = (
    ("run", "string", "ID of the run"),
    ("at", "time", "when it happened"),
    ("step", "string", "key of the step, or `run` for the whole run"),
    ("event", "string", "one of the events below"),
    ("seconds", "number or null", "duration of the step, when it has ended"),
    ("evidence", "object or null", "what the step recorded"),
)
EVENTS = {
    "intended": "A change records its evidence, before its first effect.",
    "applied": "A step succeeded.",
    "skipped": "A step was skipped; `reason` says why.",
    "failed": "A step failed; `message` says why.",
    "undoing": "The run begins to roll back; `cause` says why.",
    "restored": "A change was reverted.",
    "undo_failed": "A change could not be reverted; `message` says why.",
}
ERROR = (
    ("code", "string", "one of the [error codes](exit-codes.md#error-codes)"),
    ("message", "string", "what is wrong"),
    ("hint", "string", "what to do; may be empty"),
    ("exit_code", "integer", "the [exit code](exit-codes.md)"),
)


def page() -> str:
    """The page's text."""
    types = document_types()
    lines = title("JSON documents", INTRODUCTION)
    index = ((f"[{code(kind)}]({anchor(kind)})", ", ".join(PRODUCERS[kind])) for kind in types)
    lines += table(
        ("kind", "written by"),
        [
            *index,
            ("[`event`](#event)", "the lines of a run"),
            ("[`error`](#error)", "every command that fails"),
        ],
    )
    for kind, one in types.items():
        lines += [f"## {code(kind)}", "", *_described(one)]
    lines += ["## `event`", "", "One event of a run.", "", *table(("field", "type", "meaning"), EVENT)]
    lines += table(("event", "meaning"), ((code(name), EVENTS[name]) for name in sorted(SHOWN_EVENTS)))
    lines += ["The `kind` within the evidence of a change names what was moved:", ""]
    lines += table(("evidence", "values"), ((code(kind.kind), _first(kind)) for kind in _changes()))
    lines += ["## `error`", "", "Why a command failed.", "", *table(("field", "type", "meaning"), ERROR)]
    lines += ["## Objects", "", "Objects within the documents.", ""]
    for one in _objects(types):
        lines += [f"### {heading_of(one)}", "", *_described(one)]
    return text_of(lines)


def _described(kind: type[Any]) -> list[str]:
    rows = ((code(field.name), field.kind) for field in fields_of(kind))
    return [
        " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split()),
        "",
        *table(("field", "type"), rows),
    ]


def _objects(types: dict[str, type[Any]]) -> list[type[Any]]:
    results = {one for kind in types.values() for one in below(kind)} - set(types.values())
    return sorted(results, key=lambda one: one.__name__)


def _changes() -> list[type[Change[Any]]]:
    shipped = [kind for kind in Change.__subclasses__() if kind.__module__.startswith("cartctl.")]
    return sorted(shipped, key=lambda kind: kind.kind)


def _first(kind: type[Any]) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]
