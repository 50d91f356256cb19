"""What a snapshot says about itself: written last, so that a directory without it is no snapshot."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cartctl.errors import CheckFailed, Refused

NAME = "manifest.json"
LIMIT = 64 * 1024 * 1024  # bytes; a manifest beyond it is none of ours


class DamagedSnapshot(CheckFailed):
    """A snapshot whose manifest is missing, unreadable or altered."""

    code = "damaged_snapshot"


class Part(BaseModel):
    """A table of the manifest: frozen, strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class File(Part):
    """One file of the dump."""

    bytes: int
    sha256: str


class Table(Part):
    """One table with its exact number of rows, counted in the dump's own snapshot."""

    schema_name: str
    name: str
    rows: int


class Server(Part):
    """The server that was dumped, and what a new database must be made with to receive it."""

    version_num: int
    version: str
    database: str
    owner: str
    encoding: str
    collation: str
    character_type: str


class Target(Part):
    """The point in time that a recovery from the write-ahead log would aim at."""

    wal_lsn: str
    at: datetime
    timeline: int


class Manifest(Part):
    """Everything that a restore or a verification compares with."""

    format: int = 1
    id: str
    env: str
    created_at: datetime
    seconds: float
    provider: str = "local"
    server: Server
    tool: str
    heads: tuple[str, ...]
    ledger_rows: int | None  # of _prisma_migrations; None where there is none
    fingerprint: str
    target: Target
    tables: tuple[Table, ...]
    files: dict[str, File]
    roles: tuple[str, ...] = ()  # that own something in it or may do something with it
    encryption: str | None = None  # how `files` are encrypted
    plain: dict[str, str] = {}  # where they are: SHA-256 of the files before, by their names then

    @property
    def bytes(self) -> int:
        """Size of the dump."""
        return sum(file.bytes for file in self.files.values())

    def refuse_other(self, env: str, database: str) -> None:
        """Raise Refused where the snapshot is not of this environment's database."""
        if (self.env, self.server.database) != (env, database):
            raise Refused(
                f"The snapshot {self.id} is of the database {self.server.database} of environment {self.env}, "
                f"not of {database} of {env}.",
                hint="`cartctl snapshot list` shows those of this environment; elsewhere restore by hand, with pg_restore.",
            )


def write_manifest(directory: Path, manifest: Manifest) -> Path:
    """Write the manifest with a digest of itself, mode 0600, and return its path."""
    body = manifest.model_dump(mode="json")
    path = directory / NAME
    text = json.dumps({"digest": _digest(body), "manifest": body}, indent=1, ensure_ascii=False)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a snapshot's directory. Read-only.

    Raises DamagedSnapshot when it is missing, unreadable, of another form, or no longer what was written.
    """
    path = directory / NAME
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(LIMIT))
        manifest = Manifest.model_validate(document["manifest"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as wrong:
        reason = "it is missing" if isinstance(wrong, FileNotFoundError) else "it cannot be read"
        raise DamagedSnapshot(
            f"Snapshot {directory.name} has no usable manifest: {reason}.", hint="Take a new snapshot."
        ) from wrong
    if document.get("digest") != _digest(document["manifest"]):
        raise DamagedSnapshot(
            f"The manifest of snapshot {directory.name} was altered after it was written.",
            hint="Take a new snapshot.",
        )
    return manifest


def _digest(body: object) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
