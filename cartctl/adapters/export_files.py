"""Files that cartctl exports into a user's directory: written atomically, and never over foreign content."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cartctl.adapters.effects import effect
from cartctl.errors import Refused, UsageError

HINT = "Use another directory."
RECORD = ".cartctl-export.json"  # file → the SHA-256 of what was written into it


@dataclass(frozen=True, slots=True)
class Exported:
    """The exported files: written, replaced, and kept because they were identical. Paths are relative to the directory."""

    kind: ClassVar[str] = "exported"

    directory: str
    written: tuple[str, ...]
    kept: tuple[str, ...]
    replaced: tuple[str, ...] = ()


def export_files(files: Mapping[str, bytes], directory: Path, *, recorded: bool = False) -> Exported:
    """Write the files that are missing. With `recorded`, also replace those that are unchanged since their last export.

    Raises Refused naming a file with other content, before anything is written, and UsageError for a directory that cannot
    be written.
    """
    previous = _read_record(directory) if recorded else {}
    existing = {name: _read(directory / name) for name in files if _exists(directory / name)}
    changed = sorted(name for name, content in existing.items() if content != files[name])
    foreign = [name for name in changed if previous.get(name) != _digest(existing[name])]
    if foreign:
        raise Refused(
            f"{directory / foreign[0]} exists with different content; nothing was written.",
            hint="Use an empty directory, or move the file away if it is not needed.",
        )
    new = {name: files[name] for name in sorted(files) if name not in existing or name in changed}
    if recorded and (new or set(files) - set(previous)):
        digests = previous | {name: _digest(content) for name, content in files.items()}
        new[RECORD] = (json.dumps(digests, indent=2, sort_keys=True) + "\n").encode()
    _write(directory, new)
    return Exported(
        str(directory),
        written=tuple(sorted(files.keys() - existing.keys())),
        kept=tuple(sorted(existing.keys() - set(changed))),
        replaced=tuple(changed),
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_record(directory: Path) -> dict[str, Any]:
    """What earlier exports wrote; an unreadable record permits no replacement."""
    path = directory / RECORD
    with suppress(ValueError):
        record = json.loads(_read(path)) if _exists(path) else {}
        if isinstance(record, dict):
            return record
    return {}


def _exists(path: Path) -> bool:
    """Whether there is something by this name, a broken link included. Raises UsageError."""
    try:
        return path.is_symlink() or path.exists()
    except OSError as error:
        raise _unusable(path, "read", error) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unusable(path, "read", error) from error


def _write(directory: Path, files: Mapping[str, bytes]) -> None:
    """First write all to temporary files, then rename them."""
    if _exists(directory) and not directory.is_dir():
        raise UsageError(f"{directory} is not a directory.", hint=HINT)
    paths = {name: directory / name for name in files}
    temporary = {name: path.with_name(f".{path.name}.{os.getpid()}.part") for name, path in paths.items()}
    try:
        with effect("files.export"):
            for name, content in files.items():
                temporary[name].parent.mkdir(parents=True, exist_ok=True)
                temporary[name].write_bytes(content)
            for name, path in temporary.items():
                path.replace(paths[name])
    except OSError as error:
        for path in temporary.values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise _unusable(directory, "written", error) from error


def _unusable(path: Path, done: str, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be {done}: {error.strerror}.", hint=HINT)
