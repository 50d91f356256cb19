"""One deployment as events: what views and renderers are tried with."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cartctl.engine.events import Event

RUN = "20261122-104512-3f9a"
BEGAN = datetime(2026, 11, 22, 10, 45, 12, tzinfo=UTC)
ROWS = (
    ("Preparation", "preflight", "every check of the list"),
    ("Preparation", "snapshot", "dump the database"),
    ("Preparation", "announce", "not configured"),
    ("Preparation", "prewarm", "raise the API's replicas"),
    ("Migration", "maintenance.on", "shoppers get 503"),
    ("Migration", "migrate", "apply the migrations " + "20260101140542_add_ecommerce_modules " * 4),
    ("Migration", "maintenance.off", "put maintenance.on back"),
    ("Backend", "release.api", "set the API's image"),
    ("Backend", "endpoints", "answers compared with the database"),
    ("Verification", "monitor", "thresholds and triggers"),
)


def at(second: float, key: str, event: str, **data: Any) -> Event:
    """An event so many seconds after the beginning."""
    return Event(RUN, BEGAN + timedelta(seconds=second), key, event, data)


def half() -> Iterator[Event]:
    """Until the API's release."""
    yield at(0, "run", "started", plan="deploy", env="sandbox", steps=[])
    yield at(0, "preflight", "began")
    yield at(1, "preflight", "applied", seconds=1.0, result={"verdict": "warn", "warnings": ["no archive"]})
    yield at(1, "snapshot", "began")
    yield at(3, "snapshot", "applied", seconds=2.0, result={"id": "s1"})
    yield at(3, "announce", "skipped", reason="not configured")
    yield at(3, "prewarm", "began")
    yield at(3, "prewarm", "intended", kind="capacity", names=["a"], before={"a": 2}, to={"a": 3})
    yield at(4, "prewarm", "applied", seconds=1.0)
    yield at(4, "maintenance.on", "began")
    yield at(
        4, "maintenance.on", "intended", kind="maintenance", names=["m"], before={"m": None}, to={"m": 1}
    )
    yield at(4.5, "maintenance.on", "applied", seconds=0.5)
    yield at(4.5, "migrate", "began")
    yield at(5, "migrate", "applied", seconds=0.5, result=None)
    yield at(5, "maintenance.off", "began")
    yield at(5.5, "maintenance.off", "restored", of="maintenance.on", seconds=0.5)
    yield at(5.5, "release.api", "began")
    yield at(5.5, "release.api", "intended", kind="release", names=["a"], before={"a": "1"}, to={"a": "2"})


def success() -> list[Event]:
    """To the end."""
    return [
        *half(),
        at(7, "release.api", "applied", seconds=1.5),
        at(7, "endpoints", "began"),
        at(8, "endpoints", "applied", seconds=1.0),
        at(8, "monitor", "began"),
        at(18, "monitor", "applied", seconds=10.0),
        at(18, "run", "finished", outcome="succeeded", exit_code=0),
    ]


def failure() -> list[Event]:
    """Turned back by what the endpoints answered; one undo fails."""
    cause = "endpoints: stats: 500 Internal Server Error " + "and so on " * 20
    return [
        *half(),
        at(7, "release.api", "applied", seconds=1.5),
        at(7, "endpoints", "began"),
        at(8, "endpoints", "failed", code="check_failed", message=cause, hint="Look at the logs."),
        at(8, "run", "undoing", cause=cause),
        at(9, "release.api", "restored", seconds=1.0),
        at(9, "prewarm", "undo_failed", message="the cluster does not respond", hint=""),
        at(
            9,
            "run",
            "finished",
            outcome="failed",
            exit_code=5,
            message="endpoints: stats: 500",
            next_command="cartctl rollback",
        ),
    ]
