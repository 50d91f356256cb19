"""A run's journal as a file: written by `report --journal FILE`, read where its database cannot be reached."""

from collections.abc import Iterable
from pathlib import Path

from cartctl.engine.events import Event
from cartctl.engine.journal.lines import DamagedJournal, read_file, to_line
from cartctl.engine.state import State, fold
from cartctl.errors import ConfigError, UsageError
from cartctl.private_files import write_private

_HINT = "Give the run's .ndjson file."


def read_journal_file(path: Path) -> State:
    """Read the run of a journal file. Raises ConfigError, naming the line, for a damaged one."""
    try:
        events = list(read_file(path))
    except DamagedJournal as wrong:
        raise ConfigError(f"The journal {wrong.reason}.", hint=_HINT) from wrong
    if not events:
        raise ConfigError(f"The journal {path} has no events.", hint=_HINT)
    return fold(events[0].run, events)


def write_journal_file(events: Iterable[Event], path: Path) -> None:
    """Write a run's events to a file for this user only. Raises UsageError where it cannot be written."""
    try:
        write_private(path, "".join(f"{to_line(event)}\n" for event in events))
    except OSError as error:
        raise UsageError(
            f"Cannot write {path}: {error.strerror}.", hint="Set --journal to a file path."
        ) from error
