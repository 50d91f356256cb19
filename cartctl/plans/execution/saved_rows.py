"""Find rows to restore: saved by a rollback (named by its run) or in a snapshot (named by its id)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.restore_rows import OpenRowSource, RowSource, our_tables
from cartctl.database.drop.saved_rows import read_saved
from cartctl.errors import UsageError
from cartctl.ports import Ports
from cartctl.snapshots.storage.destination import open_store
from cartctl.snapshots.storage.local import DUMP

ROWS = "rows"  # in a run's directory


def find_row_source(ports: Ports, name: str) -> OpenRowSource:
    """How to open the rows called `name`: a run, a snapshot, or the directory of saved rows.

    Raises UsageError when there are none, Refused for a directory with an unreadable manifest.
    """
    store = open_store(ports.env)
    directory = _directory(ports, name)
    saved = read_saved(directory) if directory is not None else None
    if saved is None and (_is_path(name) or store.find(name) is None):
        raise UsageError(
            f"No saved rows or snapshot named {name}.",
            hint="Give the run of a rollback that saved rows (cartctl history), their directory (cartctl report RUN), "
            "or a snapshot (cartctl snapshot list).",
        )

    @contextmanager
    def opened() -> Iterator[RowSource]:
        if saved is not None and directory is not None:
            yield RowSource(row_source_name(ports, name), directory / DUMP, saved.files, saved.rows)
            return
        manifest = store.get(name)
        manifest.refuse_other(ports.env.name, ports.database.name)
        ours = {table.name: table.rows for table in manifest.tables if table.schema_name == SCHEMA}
        with store.opened(name) as dump:
            rows = {table: ours[table] for table in our_tables() if table in ours}
            yield RowSource(name, dump.path, dump.files, rows)

    return opened


@contextmanager
def open_row_source(ports: Ports, name: str) -> Iterator[RowSource]:
    """Find the rows called `name` and open them. Raises what `find_row_source` raises."""
    with find_row_source(ports, name)() as source:
        yield source


def row_source_name(ports: Ports, name: str) -> str:
    """The source that a restore records: the run for a run's own directory, else the directory or snapshot."""
    if not _is_path(name):
        return name
    directory = Path(name).expanduser().resolve()
    own = (ports.directory / "runs").resolve()
    return directory.parent.name if directory == own / directory.parent.name / ROWS else str(directory)


def _is_path(name: str) -> bool:
    return os.sep in name


def _directory(ports: Ports, name: str) -> Path | None:
    """The directory of saved rows of a name; None for a name that can only be a snapshot's."""
    if _is_path(name):
        return Path(name).expanduser().resolve()
    return ports.run_directory(name) / ROWS if open_store(ports.env).path(name) else None
