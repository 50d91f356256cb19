"""One line per event: what stands in it and what stays in the journal."""

from datetime import UTC, datetime

from cartctl.engine.events import Event
from cartctl.render.run.ndjson import event_object

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_whole_catalogues_stay_in_the_journal() -> None:
    """A fingerprint's line has its hash, not the objects behind it."""
    result = {"hash": "ab12", "objects": {"table public.carts": {}}}
    results = event_object(Event("r1", AT, "fingerprint", "applied", {"seconds": 0.1, "result": result}))
    assert results == {
        "kind": "event",
        "version": 1,
        "run": "r1",
        "at": "2026-01-02T03:04:05Z",
        "step": "fingerprint",
        "event": "applied",
        "seconds": 0.1,
        "evidence": {"hash": "ab12"},
    }


def test_evidence_of_a_change_is_what_an_undo_would_read() -> None:
    """An intended step's line has kind, names, before and to."""
    data = {
        "kind": "replicas",
        "names": ["deployment/x"],
        "before": {"deployment/x": 1},
        "to": {"deployment/x": 0},
    }
    result = event_object(Event("r1", AT, "workers.stop", "intended", data))
    assert result["evidence"] == data
