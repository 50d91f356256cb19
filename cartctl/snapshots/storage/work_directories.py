"""Working directories of one process, with a lock that the system releases when it dies, so that remains are recognised."""

import errno
import fcntl
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartctl.adapters.programs import ProgramFailed
from cartctl.errors import Locked, Refused, StepFailed
from cartctl.private_files import private_directory

AGAIN = "run the command again"
PARTIAL = ".partial-"  # prefix of directories that are removed when no process holds them


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_SAID = re.compile(  # tools run with LC_ALL=C; a limit of a file's size ends them by a signal
    rf"No space left on device|Disk quota exceeded|File too large|\(signal {int(signal.SIGXFSZ)}\)"
)


def require_room(place: Path, size: int, what: str) -> None:
    """Raise Refused unless the disk of `place` has `size` bytes free. Read-only."""
    free = shutil.disk_usage(place).free
    if free < size:
        raise Refused(
            f"{what} needs {size / 1e6:,.1f} MB; {place} has {free / 1e6:,.1f} MB free",
            hint="Free some space there, or set CARTCTL_STATE_DIR to a larger disk.",
        )


class DiskFull(StepFailed):
    """The disk is full; partial files were removed."""

    code = "disk_full"


@contextmanager
def using(place: Path, again: str) -> Iterator[None]:
    """Translates disk errors below `place`, this process's or a tool's, with the command to repeat.

    Raises DiskFull, StepFailed for another reason.
    """
    try:
        yield
    except ProgramFailed as failed:
        if not is_full(failed.message):
            raise
        raise _full(place, again) from failed
    except OSError as wrong:
        if wrong.errno in _FULL:
            raise _full(place, again) from wrong
        raise StepFailed(
            f"{place} cannot be used: {wrong.strerror or wrong}",
            hint=f"Check the directory and its permissions, then: {again}",
        ) from wrong


def is_full(message: str) -> bool:
    """Whether a tool or a server reports a full disk. Pure."""
    return bool(_FULL_SAID.search(message))


def _full(place: Path, again: str) -> DiskFull:
    return DiskFull(
        f"no space left on the disk of {place}; the partial files were removed",
        hint=f"Free some space, then: {again}",
    )


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory's lock. Raises Locked immediately if another process does."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as busy:
        raise Locked(f"{directory.name} is in use by another process.") from busy
    finally:
        os.close(handle)


def discard(path: Path) -> None:
    """Remove a directory with its contents, or a link or file in its place; a missing one is ignored."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def private(beside: Path, purpose: str) -> Iterator[Path]:
    """An empty private directory, mode 0700, removed at the block's end."""
    with using(beside, AGAIN):
        private_directory(beside)
        place = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{purpose}-", dir=beside))
    try:
        with locked(place):
            yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
