"""The application's own migration files with the cart's three names, and the choice whose files are run.

In a database with Prisma's ledger the application's files are the source: under its names they may do more than ours.
"""

import codecs
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cartctl.config.model.environment import Migrations
from cartctl.database.migrations.application.file_statements import read_statements
from cartctl.errors import ConfigError, Refused
from cartctl.inputs import InvalidInput, MissingInput, read_bytes
from cartctl.migrations.frozen import NAMES, Frozen, checksums

EXAMPLE = 'migrations = { prisma_dir = "apps/api/prisma/migrations" }'
LIMIT = 4 * 1024 * 1024  # bytes; a larger file is not one of these migrations
SHOWN = 80  # characters of a statement in an error


@dataclass(frozen=True, slots=True)
class ApplicationFiles:
    """The existing files by migration name, and whether they run instead of ours."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    run: bool = False
    configured: bool = False
    scripts: Mapping[str, bytes] = field(
        default_factory=dict
    )  # what is executed, where it is not the file as it is

    def script(self, migration: Frozen) -> bytes:
        """What is executed of an existing file."""
        return self.scripts.get(migration.name, self.files[migration.name])

    def checksum(self, migration: Frozen) -> str:
        """The checksum for Prisma's ledger: that of the application's own file where there is one."""
        own = self.files.get(migration.name)
        return migration.checksum if own is None else hashlib.sha256(own).hexdigest()

    def same_as_ours(self, migration: Frozen) -> bool:
        """Whether its file has cartctl's content, so that executing either is the same. Line endings are ignored."""
        own = self.files.get(migration.name)
        return own is not None and checksums(own) == checksums(migration.up)

    def require(self, names: Sequence[str]) -> None:
        """Raise Refused or ConfigError unless every one of these migrations has a file here that can be executed."""
        if names and not self.configured:
            raise Refused(
                f"This database's migrations are Prisma's (public._prisma_migrations), and the application's files are "
                f"not configured: {', '.join(names)} pending. Nothing was changed.",
                hint=f"Set [env.NAME.database] {EXAMPLE}",
            )
        missing = [name for name in names if name not in self.files]
        if missing:
            raise ConfigError(
                f"The application has no migration {missing[0]}.",
                hint="Export it (cartctl migrate export --format prisma DIR), or set database.migrations.source = "
                '"cartctl".',
            )
        for name in names:
            if fault := _encoding_fault(self.files[name]):
                raise Refused(
                    f"The application's migration {name} {fault}, which PostgreSQL refuses. Nothing was changed.",
                    hint="Save it as UTF-8 without a byte order mark; Prisma needs it, too.",
                )
            file = read_statements(self.files[name])
            if file.outside is not None and len(file.statements) > 1:
                raise Refused(
                    f"PostgreSQL refuses to run a statement of the application's migration {name} together with others: {' '.join(file.outside.split())[:SHOWN]}. Nothing was changed.",
                    hint="Put it into a separate migration; Prisma's native engine requires this too.",
                )

    def differing(self, migrations: tuple[Frozen, ...]) -> tuple[Frozen, ...]:
        """Migrations of which the application has another file than ours."""
        return tuple(each for each in migrations if self.files.get(each.name, each.up) != each.up)


def read_application(settings: Migrations, *, ledger: bool) -> ApplicationFiles:
    """What is configured, for a database with or without Prisma's ledger. Read-only.

    Raises ConfigError for a directory that is missing, and for a file that cannot be read; `require` says which must be there.
    """
    run = settings.source == "prisma" or (settings.source is None and ledger)
    if settings.prisma_dir is None:
        if settings.source == "prisma":
            raise ConfigError(
                'database.migrations.source = "prisma" needs the application\'s files.',
                hint=f"Set [env.NAME.database] {EXAMPLE}",
            )
        return ApplicationFiles(run=run)
    if not settings.prisma_dir.is_dir():
        raise ConfigError(
            f"directory not found: {settings.prisma_dir}", hint="See database.migrations.prisma_dir."
        )
    files = {name: content for name in NAMES if (content := _read(settings.prisma_dir, name)) is not None}
    return ApplicationFiles(files, run=run, configured=True)


def _encoding_fault(content: bytes) -> str | None:
    """What is wrong with a file's encoding: PowerShell's `>` writes UTF-16, and some editors a byte order mark."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "is in UTF-16"
    if content.startswith(codecs.BOM_UTF8):
        return "begins with a byte order mark"
    try:
        text = content.decode()
    except UnicodeDecodeError as wrong:
        return f"is not in UTF-8 (byte {wrong.start + 1})"
    return "contains a null character" if "\0" in text else None


def _read(directory: Path, name: str) -> bytes | None:
    path = directory / name / "migration.sql"
    try:
        return read_bytes(path, limit=LIMIT)
    except MissingInput:
        return None
    except InvalidInput as error:
        raise ConfigError(error.message, hint="See database.migrations.prisma_dir.") from error
