"""Directories that one process works in: held by a lock that the system frees when it dies, so that left-overs are known."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartctl.errors import Locked

PARTIAL = ".partial-"  # begins the name of whatever is swept when nobody holds it


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold a directory's lock. Raises Locked at once when somebody else does."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as held:
        raise Locked(f"{directory.name} is in use by another process.") from held
    finally:
        os.close(handle)


@contextmanager
def private(beside: Path, purpose: str) -> Iterator[Path]:
    """An empty directory of this process alone, mode 0700, gone at the block's end."""
    beside.mkdir(parents=True, exist_ok=True, mode=0o700)
    place = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{purpose}-", dir=beside))
    try:
        with held(place):
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
