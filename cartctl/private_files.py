"""Files and directories that cartctl names: 0600 in 0700, created so and never opened to others for a moment.

Journals, snapshots, saved rows, tokens, logs, locks and the sandbox. A file that a user names follows the user's umask.
"""

import os
import tempfile
from pathlib import Path

FILE, DIRECTORY = 0o600, 0o700
UMASK = 0o077  # for programs that write such files


def private_directory(path: Path) -> Path:
    """Make a directory, and those above it that are missing, for this user alone; those that exist stay as they are."""
    missing = []
    for each in (path, *path.parents):
        if each.exists():
            break
        missing.append(each)
    for each in reversed(missing):
        each.mkdir(mode=DIRECTORY, exist_ok=True)
        if each.stat().st_mode & DIRECTORY != DIRECTORY:
            each.chmod(DIRECTORY)  # a umask took the owner's own rights
    return path


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file for this user alone, made where it is missing. One that an older version left open is closed."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, FILE)
    status = os.fstat(descriptor)
    if status.st_mode & 0o777 != FILE and status.st_uid == os.geteuid():
        os.fchmod(descriptor, FILE)
    return descriptor


def append_private(path: Path) -> int:
    """A descriptor to append to a file for this user alone, its directory made where it is missing: a log."""
    private_directory(path.parent)
    return open_private(path, os.O_WRONLY | os.O_APPEND)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one move, so that a reader sees the old text or the new one; on the disk when it returns."""
    private_directory(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=".private-", dir=path.parent)
    try:
        os.fchmod(descriptor, FILE)  # where a umask took the owner's own rights
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
