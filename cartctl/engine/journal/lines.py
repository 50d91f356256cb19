"""Events as lines of JSON. A damaged line is reported with its position and never read as an event."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cartctl.engine.events import Event, EventKind
from cartctl.engine.journal.result_forms import require_form
from cartctl.engine.journal.sentences import recordable
from cartctl.engine.state import State
from cartctl.errors import Inconclusive
from cartctl.inputs import MALFORMED, MEBIBYTE, InvalidInput, parse_json, read_bytes

LARGEST = 64 * MEBIBYTE  # size of a run's file
_BEGINNING = b'{"run": "'
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?$)', re.DOTALL)


class DamagedJournal(Inconclusive):
    """A run's journal is damaged, so that nothing can be decided from it. `reason` says where and why."""

    code = "damaged_journal"

    def __init__(self, where: str, reason: str) -> None:
        self.reason = f"{where}: {reason}"
        super().__init__(
            f"{self.reason}.",
            hint="Once you know how the run ended, move the file away to continue without it.",
        )


def to_line(event: Event) -> str:
    """An event as one line of JSON."""
    fields = {"run": event.run, "at": event.at.isoformat(), "key": event.key, "event": event.event}
    return json.dumps({**fields, "data": recordable(event.data)}, ensure_ascii=False)


def read_file(path: Path) -> Iterator[Event]:
    """The events of a run's file. Raises DamagedJournal naming the line. Read-only."""
    try:
        content = read_bytes(path, limit=LARGEST)
    except InvalidInput as wrong:
        raise DamagedJournal(str(path), wrong.reason) from wrong
    yield from read_lines(content, str(path))


def read_lines(content: bytes, where: str) -> Iterator[Event]:
    """The events of one run in order, without a line that a crash truncated.

    A truncated line is the last one without a line end, or one without its closing braces if the run was resumed.
    Raises DamagedJournal for any other malformed line, and for an event of another run.
    """
    probe: State | None = None
    *ended, last = content.split(b"\n")
    for number, line in enumerate([*ended, last], start=1):
        try:
            event = _from_line(line)
            probe = probe or State(event.run)
            _require_fit(probe, event)
        except MALFORMED as wrong:
            if number > len(ended) or is_cut_short(line):
                continue
            raise DamagedJournal(f"{where}, line {number}", _reason(wrong)) from wrong
        yield event


def read_rows(rows: Iterable[tuple[Any, ...]], where: str) -> list[Event]:
    """Events from rows of run, at, key, event, data as JSON text. Raises DamagedJournal naming the event."""
    events: list[Event] = []
    probe: State | None = None
    for number, (run, at, key, name, data) in enumerate(rows, start=1):
        try:
            event = _checked(Event(run, at, key, name, parse_json(data)))
            probe = probe or State(event.run)
            _require_fit(probe, event)
        except MALFORMED as wrong:
            raise DamagedJournal(f"{where}, event {number}", _reason(wrong)) from wrong
        events.append(event)
    return events


def is_cut_short(line: bytes) -> bool:
    """Whether a line is a truncated event; also true for an empty line and for zeros (a page never written). Pure."""
    line = line.strip(b"\0\r ")
    if not line.startswith(_BEGINNING):
        return _BEGINNING.startswith(line)
    rest = _STRING.sub(b"", line)
    return rest.count(b"{") > rest.count(b"}")


def _from_line(line: bytes) -> Event:
    try:
        fields = parse_json(line.decode("utf-8"))
    except UnicodeDecodeError as wrong:
        raise InvalidInput("it is not UTF-8 text") from wrong
    at = datetime.fromisoformat(fields["at"])
    return _checked(Event(fields["run"], at, fields["key"], fields["event"], fields["data"]))


def _checked(event: Event) -> Event:
    """Return the event; raise TypeError or ValueError if a field has the wrong type."""
    names = (event.run, event.key, event.event)
    if not all(isinstance(name, str) for name in names) or not isinstance(event.data, Mapping):
        raise TypeError
    if not isinstance(event.at, datetime) or event.at.tzinfo is None:
        raise TypeError
    if event.event == EventKind.APPLIED:
        require_form(event.key, event.data.get("result"))
    return event


def _require_fit(probe: State, event: Event) -> None:
    """Raise one of MALFORMED for an event of another run, or one that does not apply to the run's state."""
    if event.run != probe.run:
        raise InvalidInput(f"it belongs to another run, {event.run}")
    probe.take(event)


def _reason(wrong: Exception) -> str:
    return wrong.reason if isinstance(wrong, InvalidInput) else "it is not an event of a run"
