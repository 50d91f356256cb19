"""Read a run's journal from a file (`rollback --journal FILE`), for use without the database."""

from pathlib import Path

from cartctl.engine.journal.lines import DamagedJournal, read_file
from cartctl.engine.state import State, fold
from cartctl.errors import ConfigError

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
