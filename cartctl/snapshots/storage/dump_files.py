"""The files of a kept dump against its manifest: present, regular and as long as recorded. No link is followed."""

import os
from collections.abc import Iterator
from pathlib import Path

from cartctl.snapshots.manifest.manifest import Manifest, damaged


def file_faults(dump: Path, manifest: Manifest) -> dict[str, str]:
    """What is wrong with the files of a dump, by name; nothing is read of them. Raises DamagedSnapshot. Read-only."""
    present = _sizes(dump, manifest.id)
    faults = dict.fromkeys(sorted(set(present) - set(manifest.files)), "is not part of the dump")
    for name, file in manifest.files.items():
        if fault := _fault(present.get(name), file.bytes):
            faults[name] = fault
    return faults


def require_files(dump: Path, manifest: Manifest) -> None:
    """Raise DamagedSnapshot unless every file of a dump is there, regular and as long as recorded. Read-only."""
    for name, fault in file_faults(dump, manifest).items():
        raise damaged(manifest.id, f"{name} {fault}")


def _fault(size: int | str | None, expected: int) -> str:
    match size:
        case None:
            return "is missing"
        case "link":
            return "is a symbolic link"
        case "other":
            return "is not a regular file"
    return "" if size == expected else f"has {size} bytes instead of {expected}"


def _sizes(dump: Path, snapshot: str) -> dict[str, int | str]:
    try:
        with os.scandir(dump) as entries:
            return dict(_measured(entries))
    except FileNotFoundError:
        return {}
    except OSError as wrong:
        raise damaged(snapshot, f"its dump cannot be read: {wrong.strerror}") from wrong


def _measured(entries: "Iterator[os.DirEntry[str]]") -> Iterator[tuple[str, int | str]]:
    for entry in entries:
        if entry.is_symlink():
            yield entry.name, "link"
        elif not entry.is_file(follow_symlinks=False):
            yield entry.name, "other"
        else:
            yield entry.name, entry.stat(follow_symlinks=False).st_size
