"""The application's own migration files for our three names, as its repository has them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cartctl.config.model.environment import Migrations
from cartctl.errors import ConfigError, Refused
from cartctl.inputs import InvalidInput, MissingInput, read_bytes
from cartctl.migrations.frozen import NAMES, Frozen

LIMIT = 4 * 1024 * 1024  # bytes; a migration beyond it is none of these
_CONTROL = re.compile(
    rb"^\s*(BEGIN|COMMIT|ROLLBACK|START\s+TRANSACTION|END)\s*(WORK|TRANSACTION)?\s*;",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class ApplicationFiles:
    """The files by migration name (those that are there), and whether they are run instead of ours."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    run: bool = False

    def checksum(self, migration: Frozen) -> str:
        """What Prisma's ledger keeps: of the application's own file where it has one."""
        own = self.files.get(migration.name)
        return migration.checksum if own is None else hashlib.sha256(own).hexdigest()

    def differing(self, migrations: tuple[Frozen, ...]) -> tuple[Frozen, ...]:
        """Migrations of which the application has another file than ours."""
        return tuple(each for each in migrations if self.files.get(each.name, each.up) != each.up)


def read_application(settings: Migrations) -> ApplicationFiles:
    """What is configured. Read-only.

    Raises ConfigError for a directory or file that is missing where the files are to be run, and for one that cannot be
    read; Refused for a file to be run that controls transactions itself.
    """
    if settings.prisma_dir is None:
        if settings.source == "prisma":
            raise ConfigError(
                'database.migrations.source = "prisma" needs the application\'s files.',
                hint="Set database.migrations.prisma_dir to its prisma/migrations directory.",
            )
        return ApplicationFiles()
    if not settings.prisma_dir.is_dir():
        raise ConfigError(
            f"There is no directory {settings.prisma_dir}.", hint="See database.migrations.prisma_dir."
        )
    files = {name: content for name in NAMES if (content := _read(settings.prisma_dir, name)) is not None}
    if settings.source == "prisma":
        _require_runnable(files)
    return ApplicationFiles(files, run=settings.source == "prisma")


def _read(directory: Path, name: str) -> bytes | None:
    path = directory / name / "migration.sql"
    try:
        return read_bytes(path, limit=LIMIT)
    except MissingInput:
        return None
    except InvalidInput as error:
        raise ConfigError(error.message, hint="See database.migrations.prisma_dir.") from error


def _require_runnable(files: Mapping[str, bytes]) -> None:
    if missing := [name for name in NAMES if name not in files]:
        raise ConfigError(
            f"The application has no migration {missing[0]}.",
            hint='Export it (cartctl migrate export --format prisma DIR), or set source = "cartctl".',
        )
    if own := [name for name, content in files.items() if _CONTROL.search(content)]:
        raise Refused(
            f"The application's migration {own[0]} controls transactions itself; it could not be taken back whole.",
            hint="Take BEGIN and COMMIT out of it.",
        )
