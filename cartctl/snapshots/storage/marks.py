"""Marks of a snapshot: pinned, verified. Written atomically, and synced to disk before anything relies on them."""

import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cartctl.snapshots.storage.work_directories import using


def sync(path: Path) -> None:
    """Sync a file or directory to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def mark(reason: str) -> bytes:
    """What a pin or a passed verification looks like: since when, and why."""
    return json.dumps({"at": datetime.now(UTC).isoformat(), "reason": reason}).encode()


def write_mark(path: Path, reason: str) -> None:
    """Write a mark, mode 0600. Raises StepFailed."""
    with using(path.parent, "cartctl snapshot verify"):
        handle, new = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(mark(reason))
                stream.flush()
                os.fsync(handle)
            Path(new).replace(path)
        finally:
            Path(new).unlink(missing_ok=True)
        sync(path.parent)
