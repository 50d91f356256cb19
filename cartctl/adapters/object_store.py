"""Files at any address that fsspec supports: a bucket, a share, memory. Errors are translated.

Every operation has an overall time limit, independent of the client's own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from cartctl.adapters.effects import effect
from cartctl.deadline import DeadlineExceeded, within
from cartctl.errors import CartctlError, ConfigError, StepFailed
from cartctl.redaction import redact, register_address

REQUEST = 60.0  # seconds for one request: existence, size, listing
TRANSFER = 2 * 3600.0  # seconds for one file
REMOVE = 600.0  # seconds for one snapshot
LONGEST_CAUSE = 300  # characters of a client's message
EXTRAS = {"s3": "s3", "gs": "gs", "gcs": "gs"}  # protocol → the extra with its package


class NotRegular(StepFailed):
    """A link or a directory instead of a regular file."""

    code = "not_a_regular_file"


class ObjectStore:
    """A directory by its address; names are relative to it, with `/` between parts."""

    def __init__(self, url: str) -> None:
        register_address(url)
        self.url = redact(url.rstrip("/"))  # for messages
        protocol = url.partition("://")[0]
        try:
            self._files, self._root = fsspec.core.url_to_fs(url.rstrip("/"))
        except ImportError as missing:
            extra = EXTRAS.get(protocol)
            hint = f"pip install 'cartctl[{extra}]'" if extra else f"Install its package: {missing}"
            raise ConfigError(f"{protocol}:// addresses need an additional package.", hint=hint) from missing
        except ValueError as wrong:
            raise ConfigError(
                f"unsupported protocol {protocol}:// for snapshots.", hint="See database.snapshots.url."
            ) from wrong

    def put(self, local: Path, name: str) -> None:
        """Copy a local file there. Raises StepFailed."""
        with self._translated(name), effect("object_store.put"):
            self._make_parent(name)
            _bounded(TRANSFER, lambda: self._files.put_file(str(local), self._path(name)))

    def get(self, name: str, local: Path) -> None:
        """Copy a file from there. Raises StepFailed."""
        with self._translated(name):
            _bounded(TRANSFER, lambda: self._files.get_file(self._path(name), str(local)))

    def read(self, name: str, limit: int) -> bytes | None:
        """At most `limit` bytes of a file, None when there is none. Raises StepFailed, NotRegular. Read-only."""
        with self._translated(name):
            if (size := self.size(name)) is None:
                return None
            end = min(size, limit)
            content: bytes = _bounded(
                TRANSFER, lambda: self._files.cat_file(self._path(name), start=0, end=end)
            )
            return content

    def size(self, name: str) -> int | None:
        """Bytes of a file, None when there is none. Raises StepFailed, NotRegular. Read-only."""
        with self._translated(name):
            try:
                info = _bounded(REQUEST, lambda: self._files.info(self._path(name)))
            except (FileNotFoundError, NotADirectoryError):
                return None
        if info.get("islink") or info["type"] != "file":
            raise NotRegular(f"{self.url}/{name} is not a regular file")
        return int(info["size"] or 0)

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name. Raises StepFailed. Read-only."""
        with self._translated(name):
            return bool(_bounded(REQUEST, lambda: self._files.exists(self._path(name))))

    def write(self, name: str, content: bytes) -> None:
        """Write a small file. Raises StepFailed."""
        with self._translated(name), effect("object_store.write"):
            self._make_parent(name)
            _bounded(TRANSFER, lambda: self._files.pipe_file(self._path(name), content))

    def directories(self) -> list[str]:
        """The names of directories and links directly below. Raises StepFailed. Read-only."""
        with self._translated(""):
            try:
                entries = _bounded(REQUEST, lambda: self._files.ls(self._root, detail=True, refresh=True))
            except FileNotFoundError:
                return []
            names = (str(each["name"]) for each in entries if each["type"] != "file" or each.get("islink"))
            return sorted(name.rstrip("/").rpartition("/")[2] for name in names)

    def is_link(self, name: str) -> bool:
        """Whether a name is a link, where the address has such. Raises StepFailed. Read-only."""
        with self._translated(name):
            try:
                return bool(_bounded(REQUEST, lambda: self._files.info(self._path(name))).get("islink"))
            except (FileNotFoundError, NotADirectoryError):
                return False

    def remove(self, name: str) -> None:
        """Remove a file or a directory with its contents; a missing one is ignored. Raises StepFailed."""
        with self._translated(name), effect("object_store.remove"):
            _bounded(REMOVE, lambda: self._remove(self._path(name)))

    def _remove(self, path: str) -> None:
        if self._files.exists(path):
            self._files.rm(path, recursive=self._files.isdir(path))

    def _make_parent(self, name: str) -> None:
        _bounded(REQUEST, lambda: self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True))

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except DeadlineExceeded as overdue:
            raise StepFailed(
                f"{self.url}/{name} did not respond in time.",
                hint="Check database.snapshots.url and the network.",
            ) from overdue
        except CartctlError:
            raise
        except Exception as error:  # clients raise their own classes: botocore's are not OSErrors
            raise StepFailed(
                f"{self.url}/{name} cannot be used: {_cause(error)}.",
                hint="Check database.snapshots.url, the credentials and the permissions there.",
            ) from error


def _cause(error: Exception) -> str:
    text = str((isinstance(error, OSError) and error.strerror) or error)
    return " ".join(text.split())[:LONGEST_CAUSE].rstrip(".") or type(error).__name__


def _bounded(seconds: float, operation: Callable[[], Any]) -> Any:
    """What `operation` returns. Raises DeadlineExceeded after `seconds`."""
    return within(seconds, lambda _: operation())
