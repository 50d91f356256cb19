"""A run's journal as a file: what `rollback --journal FILE` reads where the database is gone."""

from pathlib import Path

from cartctl.engine.journal.lines import DamagedJournal, read_file
from cartctl.engine.state import State, fold
from cartctl.errors import ConfigError

_HINT = "Give the run's .ndjson file."


def read_journal_file(path: Path) -> State:
    """The run of a journal file that was copied here. Raises ConfigError, naming the line, when it is none."""
    try:
        events = list(read_file(path))
    except DamagedJournal as wrong:
        raise ConfigError(f"The journal {wrong.reason}.", hint=_HINT) from wrong
    if not events:
        raise ConfigError(f"The journal {path} holds no events.", hint=_HINT)
    return fold(events[0].run, events)
