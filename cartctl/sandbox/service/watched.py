"""Files that are reread when they change, checked by every request: one `stat` costs microseconds."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Watched(Generic[T]):
    """The parsed content of a file; `missing` while there is none. Thread-safe.

    Text that cannot be parsed (ValueError) counts as `missing` too, and `complain` is called once per change.
    """

    def __init__(
        self, path: Path, parse: Callable[[str], T], missing: T, complain: Callable[[str], None]
    ) -> None:
        self._path, self._parse, self._missing, self._complain = path, parse, missing, complain
        self._guard = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._value = missing

    def get(self) -> T:
        """The present value."""
        signature = self._signature()
        with self._guard:
            if signature != self._seen:
                self._value = self._read() if signature else self._missing
                self._seen = signature
            return self._value

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> T:
        try:
            return self._parse(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as wrong:
            self._complain(f"{self._path.name} is invalid and ignored: {wrong}")
            return self._missing
