"""`migrate export`: writes the frozen files, for a DBA to run by hand or for `prisma migrate deploy`."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from cartctl.adapters.export_files import Exported, export_files
from cartctl.migrations.frozen import MIGRATIONS

LOCK_FILE = b'# Written for Prisma Migrate; keep it in version control.\nprovider = "postgresql"\n'


class Form(StrEnum):
    """Which files: all of ours, or the folders Prisma reads."""

    SQL = "sql"
    PRISMA = "prisma"


def export(form: Form, directory: Path) -> Exported:
    """Write the files, each completely or not at all, never over different content.

    Raises Refused naming an existing file with different content, UsageError for a directory that is not writable.
    """
    files = dict(_files(form))
    lock = directory / "migration_lock.toml"
    if form is Form.PRISMA and not lock.exists():  # the application's own file names its provider too
        files[lock.name] = LOCK_FILE
    exported = export_files(files, directory)
    if form is Form.PRISMA and lock.name not in files:
        return replace(exported, kept=(*exported.kept, lock.name))
    return exported


def _files(form: Form) -> Iterator[tuple[str, bytes]]:
    """Prisma's checksum is that of the bytes, so they are written as they are."""
    for migration in MIGRATIONS:
        yield f"{migration.name}/migration.sql", migration.up
        if form is Form.SQL:
            yield f"{migration.name}/down.sql", migration.down
            if migration.strict:
                yield f"{migration.name}/strict.sql", migration.strict
