"""A snapshot's manifest: written last, so that a directory without it is not a snapshot."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from cartctl.errors import CheckFailed, Refused
from cartctl.private_files import write_private
from cartctl.snapshots.manifest.database_properties import DatabaseProperties
from cartctl.snapshots.manifest.recorded_state import State, Table
from cartctl.snapshots.manifest.untrusted import (
    Count,
    Line,
    Moment,
    Name,
    Part,
    PlainName,
    Seconds,
    Sha256,
    parse_json,
)

NAME = "manifest.json"
LIMIT = 64 * 1024 * 1024  # bytes; cartctl never writes a larger manifest
SHOWN = 100  # characters of an invalid key in a message


class DamagedSnapshot(CheckFailed):
    """A snapshot whose manifest is missing, unreadable or altered."""

    code = "damaged_snapshot"


class File(Part):
    """One file of the dump."""

    bytes: Count
    sha256: Sha256


class Server(Part):
    """The server that was dumped, and the properties of a new database for a restore."""

    version_num: Count
    version: Line
    database: Name
    owner: Name
    encoding: Line
    collation: Line
    character_type: Line


class Target(Part):
    """The point in time that a recovery from the write-ahead log would aim at."""

    wal_lsn: Line
    at: Moment
    timeline: Count


class Manifest(Part):
    """Everything that a restore or a verification uses for comparison."""

    format: Literal[1] = 1
    id: PlainName
    env: Name
    created_at: Moment
    seconds: Seconds
    provider: Line = "local"
    server: Server
    tool: Line
    heads: tuple[Line, ...]
    ledger_rows: Count | None  # of _prisma_migrations; None where there is none
    fingerprint: Line
    target: Target
    tables: tuple[Table, ...]
    files: dict[PlainName, File]
    roles: tuple[Name, ...] = ()  # that own objects in it or have privileges on them
    encryption: Line | None = None  # how `files` are encrypted
    plain: dict[PlainName, Sha256] = Field(
        default_factory=dict
    )  # SHA-256 of the files before, by their names then
    surroundings: DatabaseProperties | None = None  # of the database; None in manifests of earlier versions
    tablespaces: tuple[Name, ...] = ()  # that its objects use, besides the database's own
    state: State | None = None  # what a restore compares with; None in manifests of earlier versions

    @model_validator(mode="after")
    def _plain_and_encrypted_agree(self) -> Self:
        if self.encryption and {name.rpartition(".")[0] for name in self.files} != set(self.plain):
            raise ValueError("the lists of encrypted and unencrypted files differ")
        return self

    @model_validator(mode="after")
    def _tables_once(self) -> Self:
        if len({(table.schema_name, table.name) for table in self.tables}) != len(self.tables):
            raise ValueError("a table is listed twice")
        return self

    @property
    def around(self) -> DatabaseProperties:
        """The database's properties outside the dump, as far as they were recorded."""
        if self.surroundings:
            return self.surroundings
        server = self.server
        return DatabaseProperties(
            owner=server.owner,
            encoding=server.encoding,
            collation=server.collation,
            character_type=server.character_type,
        )

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
                hint="`cartctl snapshot list` shows those of this environment; to restore elsewhere, use pg_restore.",
            )


def write_manifest(directory: Path, manifest: Manifest) -> Path:
    """Write the manifest with a digest of itself, mode 0600, and return its path."""
    body = manifest.model_dump(mode="json")
    path = directory / NAME
    text = json.dumps({"digest": _digest(body), "manifest": body}, indent=1, ensure_ascii=False)
    write_private(path, text)
    return path


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a snapshot's directory. Read-only.

    Raises DamagedSnapshot when it is missing, a link, unreadable, of another form, or no longer what was written.
    """
    try:
        content = _content(directory)
    except FileNotFoundError:
        raise damaged(directory.name, "the manifest is missing") from None
    except OSError as wrong:
        raise damaged(directory.name, f"the manifest cannot be read: {wrong.strerror}") from wrong
    return parse_manifest(content, directory.name)


def _content(directory: Path) -> bytes:
    """Links are not followed, and a pipe does not block."""
    if directory.is_symlink():
        raise damaged(directory.name, "it is a symbolic link")
    handle = os.open(directory / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise damaged(directory.name, "the manifest is not a regular file")
        return stream.read(LIMIT + 1)


def parse_manifest(content: bytes, snapshot: str) -> Manifest:
    """The manifest of the snapshot `snapshot`. Raises DamagedSnapshot for anything but what cartctl wrote. Pure."""
    if len(content) > LIMIT:
        raise damaged(snapshot, f"the manifest is larger than {LIMIT // 1024**2} MiB")
    try:
        document = parse_json(content)
        manifest = Manifest.model_validate(document["manifest"])
        altered = document.get("digest") != _digest(document["manifest"])
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:SHOWN]
        raise damaged(snapshot, f"the manifest cannot be read: {place}: {first['msg']}") from wrong
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        raise damaged(snapshot, "the manifest cannot be read") from wrong
    if altered:
        raise damaged(snapshot, "the manifest was modified after it was written")
    if manifest.id != snapshot:
        raise damaged(snapshot, f"the manifest is of another snapshot, {manifest.id}")
    return manifest


def damaged(snapshot: str, reason: str) -> DamagedSnapshot:
    """The error for a snapshot that cannot be used."""
    return DamagedSnapshot(f"snapshot {snapshot} is unusable: {reason}", hint="Take a new snapshot.")


def _digest(body: object) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
