"""Where rows to put back are: saved by a rollback, named by its run, or in a snapshot, named by its id."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartctl.database.contract import SCHEMA
from cartctl.database.put_back import Kept, our_tables
from cartctl.database.rows import read_saved
from cartctl.errors import UsageError
from cartctl.ports import Ports
from cartctl.snapshots.destination import open_store
from cartctl.snapshots.store import DUMP
from cartctl.steps.carts import OpenKept


def find_kept(ports: Ports, name: str) -> OpenKept:
    """How to open the rows called `name`. Raises UsageError when there are none."""
    store = open_store(ports.env)
    saved = read_saved(_directory(ports, name)) if store.path(name) else None
    if saved is None and store.find(name) is None:
        raise UsageError(
            f"There are no rows called {name}.",
            hint="Give the run of a rollback that saved rows (cartctl history), or a snapshot (cartctl snapshot list).",
        )

    @contextmanager
    def opened() -> Iterator[Kept]:
        if saved is not None:
            yield Kept(name, _directory(ports, name) / DUMP, saved.files, saved.rows)
            return
        manifest = store.get(name)
        manifest.refuse_other(ports.env.name, ports.database.name)
        ours = {table.name: table.rows for table in manifest.tables if table.schema_name == SCHEMA}
        with store.opened(name) as dump:
            rows = {table: ours[table] for table in our_tables() if table in ours}
            yield Kept(name, dump.path, dump.files, rows)

    return opened


def _directory(ports: Ports, run: str) -> Path:
    return ports.run_directory(run) / "rows"
