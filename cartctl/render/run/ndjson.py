"""A run as one JSON object per line, the report last, for programs."""

from typing import Any

from cartctl.engine.events import Event, EventKind
from cartctl.engine.report import RunReport
from cartctl.render.json import VERSION, plain, write_line, write_object
from cartctl.render.run.lines import QuietView

SHOWN_EVENTS = {
    EventKind.INTENDED,
    EventKind.APPLIED,
    EventKind.SKIPPED,
    EventKind.FAILED,
    EventKind.UNDOING,
    EventKind.RESTORED,
    EventKind.UNDO_FAILED,
}
_EVIDENCE = ("kind", "names", "before", "to")
_BULKY = {"objects", "difference"}  # whole catalogues: they stay in the journal


class NdjsonView(QuietView):
    """Writes each event as it happens and the report as the last line."""

    def event(self, event: Event) -> None:
        """Write one line for each documented event."""
        if event.event in SHOWN_EVENTS:
            write_object(event_object(event), self._results)

    def finished(self, report: RunReport) -> None:
        """The last line."""
        write_line(report, self._results)


def event_object(event: Event) -> dict[str, Any]:
    """An event as the interface names its fields; `evidence` is what an undo would read, or what was made."""
    data = dict(event.data)
    evidence = {name: data.pop(name) for name in _EVIDENCE if name in data} or data.pop("result", None)
    if isinstance(evidence, dict):
        evidence = {name: value for name, value in evidence.items() if name not in _BULKY}
    return {
        "kind": "event",
        "version": VERSION,
        "run": event.run,
        "at": plain(event.at),
        "step": event.key,
        "event": event.event,
        "seconds": data.pop("seconds", None),
        "evidence": plain(evidence),
        **plain(data),
    }
