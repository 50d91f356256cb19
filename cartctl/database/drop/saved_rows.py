"""Saving the cart's rows before the drop: dumped inside the drop's own transaction, so that none is written in between."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cartctl.adapters.postgres import Connection, Postgres, sql
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.database.contract.definition import SCHEMA
from cartctl.database.drop.plan_objects import DropColumn
from cartctl.database.drop.saved_values import save_values
from cartctl.engine.pulse import Pulse
from cartctl.errors import Refused, StepFailed
from cartctl.inputs import InvalidInput, MissingInput, parse_json, read_bytes
from cartctl.private_files import private_directory, write_private

LIMIT = timedelta(hours=6)
LARGEST = 4 * 1024 * 1024  # bytes of a manifest


@dataclass(frozen=True, slots=True)
class SavedRows:
    """A verified dump of tables. `rows` by table, counted in the snapshot that was dumped; `files` by name, SHA-256.

    `values`: of columns that were dropped from other tables, in files beside the dump.
    """

    at: str  # ISO 8601, UTC
    rows: dict[str, int]
    files: dict[str, str]
    tool: str
    values: list[dict[str, Any]] = field(default_factory=list)  # SavedValues as JSON


def save_rows(
    postgres: Postgres,
    connection: Connection,
    tables: Iterable[str],
    directory: Path,
    pulse: Pulse,
    columns: Iterable[DropColumn] = (),
) -> SavedRows:
    """Dump `tables` (names in schema public) as `connection`'s transaction sees them, verify them, and store them in `directory`.

    With them the values of `columns` of other tables.

    The transaction must hold locks that keep writers out. Replaces the files of an attempt that was rolled back.
    Raises ProgramFailed, StepFailed when the dump is not whole; leaves nothing then.
    """
    names = list(tables)
    partial = directory.with_name(f"{directory.name}.partial")
    for left in (partial, directory):
        shutil.rmtree(left, ignore_errors=True)
    private_directory(partial)
    try:
        saved = _dump(postgres, connection, names, partial, pulse) if names else SavedRows(_now(), {}, {}, "")
        values = [asdict(each) for each in save_values(connection, columns, partial)]
        saved = replace(saved, values=values)
        manifest = partial / "manifest.json"
        write_private(manifest, json.dumps(asdict(saved), indent=2) + "\n")
        _sync(partial)
        partial.rename(directory)
        _sync(
            directory.parent
        )  # the rows must be on disk before the tables are dropped; pg_dump syncs its own files
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return saved


def read_saved(directory: Path) -> SavedRows | None:
    """What was saved there, if anything was. Read-only.

    Raises Refused for a manifest that cannot be read, or that names files outside its directory: it may be a copy.
    """
    if not directory.is_dir():
        return None
    try:
        saved = SavedRows(**parse_json(read_bytes(directory / "manifest.json", limit=LARGEST)))
    except MissingInput:
        return None
    except (InvalidInput, TypeError) as wrong:
        raise _unusable(directory, f"cannot be read: {wrong}") from wrong
    if not _is_plain(saved):
        raise _unusable(
            directory, "cannot be used: their manifest is malformed or refers to files outside the directory."
        )
    return saved


def _is_plain(saved: SavedRows) -> bool:
    if not (
        isinstance(saved.rows, dict) and isinstance(saved.files, dict) and isinstance(saved.values, list)
    ):
        return False
    counted = all(type(count) is int and count >= 0 for count in saved.rows.values())
    return counted and all(
        isinstance(checksum, str)
        and Path(name).name == name
        and name not in {"", ".", ".."}
        and "\0" not in name
        for name, checksum in saved.files.items()
    )


def _unusable(directory: Path, reason: str) -> Refused:
    return Refused(f"The saved rows in {directory} {reason}", hint="Use the directory that a rollback wrote.")


def _dump(
    postgres: Postgres, connection: Connection, names: list[str], partial: Path, pulse: Pulse
) -> SavedRows:
    tools = find_tools(connection.info.server_version)
    row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    rows = {name: _count(connection, name) for name in names}  # before the dump: hidden rows are named
    dump = partial / "dump"
    tools.dump(
        postgres,
        dump,
        tables=[f"{SCHEMA}.{name}" for name in names],
        snapshot=str(row[0]) if row is not None else None,
        attend=pulse.attending(LIMIT.total_seconds()),
    )
    listed = tools.list(dump, attend=pulse.attending(LIMIT.total_seconds()))
    if lost := [name for name in names if f" TABLE DATA {SCHEMA} {name} " not in listed]:
        raise StepFailed(
            f"The dump of the cart's rows is incomplete: no data of {', '.join(lost)}. Nothing was dropped.",
            hint="Check the disk, then run the rollback again.",
        )
    files = {path.name: _checksum(path) for path in sorted(dump.iterdir())}
    return SavedRows(_now(), rows, files, f"pg_dump {tools.version}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _count(connection: Connection, name: str) -> int:
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(SCHEMA, name))
    ).fetchone()
    return int(row[0]) if row is not None else 0
