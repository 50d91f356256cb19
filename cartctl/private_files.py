"""Private files and directories of cartctl: created with mode 0600 and 0700, never readable by others.

For journals, snapshots, saved rows, tokens, logs, locks and the sandbox. A file named by the user follows the umask.
"""

import os
import tempfile
from pathlib import Path

FILE, DIRECTORY = 0o600, 0o700
UMASK = 0o077  # for programs that write such files


def private_directory(path: Path) -> Path:
    """Create a directory and its missing parents for this user only; existing ones are not changed."""
    missing = []
    for each in (path, *path.parents):
        if each.exists():
            break
        missing.append(each)
    for each in reversed(missing):
        each.mkdir(mode=DIRECTORY, exist_ok=True)
        if each.stat().st_mode & DIRECTORY != DIRECTORY:
            each.chmod(DIRECTORY)  # the umask removed the owner's rights
    return path


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file for this user only, created if missing; a file with other permissions is restricted."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, FILE)
    status = os.fstat(descriptor)
    if status.st_mode & 0o777 != FILE and status.st_uid == os.geteuid():
        os.fchmod(descriptor, FILE)
    return descriptor


def append_private(path: Path) -> int:
    """A descriptor to append to a file for this user only, for example a log; its directory is created if missing."""
    private_directory(path.parent)
    return open_private(path, os.O_WRONLY | os.O_APPEND)


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically and durably: a reader sees either the old or the new text."""
    private_directory(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=".private-", dir=path.parent)
    try:
        os.fchmod(descriptor, FILE)  # if the umask removed the owner's rights
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
