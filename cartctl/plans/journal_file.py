"""A run's journal as a file: what `rollback --journal FILE` reads where the database is gone."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from cartctl.engine.journal import from_line
from cartctl.engine.model import Event
from cartctl.engine.state import State, fold
from cartctl.errors import ConfigError
from cartctl.inputs import MALFORMED, InvalidInput, read_text

LARGEST = 64 * 1024 * 1024  # bytes
_HINT = "Give the run's .ndjson file."


def read_journal_file(path: Path) -> State:
    """The run of a journal file that was copied here. Raises ConfigError when it is none."""
    try:
        events = list(_events(read_text(path, limit=LARGEST)))
        state = fold(events[0].run, events) if events else None
    except InvalidInput as wrong:
        raise ConfigError(f"The journal {path}: {wrong.reason}.", hint=_HINT) from wrong
    except MALFORMED as wrong:
        raise ConfigError(f"The journal {path} has events of an unknown form.", hint=_HINT) from wrong
    if state is None:
        raise ConfigError(f"The journal {path} holds no events.", hint=_HINT)
    return state


def _events(text: str) -> Iterator[Event]:
    """The events of a file; a line that is none, as one cut short by a kill, is skipped."""
    for line in text.split("\n"):
        try:
            event = from_line(line)
        except MALFORMED:
            continue
        names = (event.run, event.key, event.event)
        if (
            all(isinstance(name, str) for name in names)
            and isinstance(event.data, Mapping)
            and event.at.tzinfo
        ):
            yield event
