"""`migrate export`: the frozen files written out, for a DBA to run by hand or for `prisma migrate deploy`."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from cartctl.adapters.effects import effect
from cartctl.errors import Refused, UsageError
from cartctl.migrations.frozen import MIGRATIONS

LOCK_FILE = b'# Written for Prisma Migrate; keep it in version control.\nprovider = "postgresql"\n'


class Form(StrEnum):
    """Which files: all of ours, or the folders Prisma reads."""

    SQL = "sql"
    PRISMA = "prisma"


@dataclass(frozen=True, slots=True)
class Exported:
    """The exported files: written, and kept because they were identical. Paths are relative to the directory."""

    kind: ClassVar[str] = "exported"

    directory: str
    written: tuple[str, ...]
    kept: tuple[str, ...]


def export(form: Form, directory: Path) -> Exported:
    """Write the files, each whole or not at all, never over another content.

    Raises Refused naming an existing file with different content, UsageError for a directory that is not writable.
    """
    files = dict(_files(form))
    there = {name for name in files if (directory / name).exists()}
    if other := sorted(name for name in there if _read(directory / name) != files[name]):
        raise Refused(
            f"{directory / other[0]} exists with different content; nothing was written.",
            hint="Give an empty directory, or see whose file it is.",
        )
    if form is Form.PRISMA and (directory / "migration_lock.toml").exists():
        there.add("migration_lock.toml")
        files.setdefault("migration_lock.toml", b"")
    elif form is Form.PRISMA:
        files["migration_lock.toml"] = LOCK_FILE
    for name in sorted(files.keys() - there):
        _write(directory / name, files[name])
    return Exported(str(directory), tuple(sorted(files.keys() - there)), tuple(sorted(there)))


def _files(form: Form) -> Iterator[tuple[str, bytes]]:
    """Prisma's checksum is that of the bytes, so they are written as they are."""
    for migration in MIGRATIONS:
        yield f"{migration.name}/migration.sql", migration.up
        if form is Form.SQL:
            yield f"{migration.name}/down.sql", migration.down
            if migration.strict:
                yield f"{migration.name}/strict.sql", migration.strict


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", hint="Give another directory."
        ) from error


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    try:
        with effect("files.export"):
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(content)
            new.replace(path)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", hint="Give another directory."
        ) from error
