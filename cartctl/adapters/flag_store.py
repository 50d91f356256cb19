"""The storage of the flags document: a ConfigMap's key or a file. A write requires that it is unchanged since it was read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from filelock import FileLock, Timeout

from cartctl.adapters.cluster import Cluster, SettingsChanged
from cartctl.adapters.effects import effect
from cartctl.derived_names import LOCAL_FILE, derive_name
from cartctl.errors import StepFailed
from cartctl.inputs import InvalidInput, MissingInput, read_text

LOCK_SECONDS = 10.0
LARGEST = 16 * 1024 * 1024  # bytes of a file of flags
_HINT = "Check rollout.flags.file."


class FlagsUnwritable(StepFailed):
    """The flag store is unreadable or not writable."""

    code = "flags_unwritable"


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored values: the document's text (None if missing) and the plain keys next to it."""

    text: str | None
    plain: Mapping[str, str] = field(default_factory=dict)


class FlagStore(Protocol):
    """Stores one document."""

    keeps_plain: ClassVar[bool]  # whether readers of environment variables find plain keys here

    @property
    def place(self) -> str:
        """Its name, for messages."""

    def read(self) -> Stored:
        """The stored values. Read-only."""

    def write(self, text: str, plain: Mapping[str, str | None], *, expected: str | None) -> None:
        """Replace the document and these plain keys in one write. Raises SettingsChanged if it is no longer `expected`."""


class ConfigMapFlags:
    """A key of a ConfigMap, with the plain keys next to it."""

    keeps_plain: ClassVar[bool] = True

    def __init__(self, cluster: Cluster, configmap: str, key: str) -> None:
        self._cluster = cluster
        self._configmap = configmap
        self._key = key

    @property
    def place(self) -> str:
        """CONFIGMAP/KEY."""
        return f"{self._configmap}/{self._key}"

    def read(self) -> Stored:
        """The ConfigMap's keys. Read-only."""
        values = self._cluster.settings(self._configmap)
        return Stored(values.pop(self._key, None), values)

    def write(self, text: str, plain: Mapping[str, str | None], *, expected: str | None) -> None:
        """One write of the ConfigMap. Raises SettingsChanged."""
        self._cluster.put_settings(
            self._configmap, {**plain, self._key: text}, expected={self._key: expected}
        )
        self._cluster.hasten(self._configmap)


class FileFlags:
    """A file, replaced atomically under a lock file next to it."""

    keeps_plain: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> str:
        """The file's path."""
        return str(self._path)

    def read(self) -> Stored:
        """The file's text. Read-only. Raises FlagsUnwritable."""
        try:
            return Stored(read_text(self._path, limit=LARGEST))
        except MissingInput:
            return Stored(None)
        except InvalidInput as wrong:
            raise FlagsUnwritable(wrong.message, hint=wrong.hint or _HINT) from wrong

    def write(self, text: str, plain: Mapping[str, str | None], *, expected: str | None) -> None:  # noqa: ARG002
        """Replace the file; plain keys are not supported. Raises SettingsChanged, FlagsUnwritable."""
        try:
            with FileLock(f"{self._path}.lock", timeout=LOCK_SECONDS):
                if self.read().text != expected:
                    raise SettingsChanged(
                        f"{self._path} was modified externally in the meantime.",
                        hint="Check it, then try again.",
                    )
                with effect("flags.write"):
                    self._replace(text)
        except Timeout as timeout:
            raise FlagsUnwritable(
                f"Another process has held {self._path}.lock for {LOCK_SECONDS:g} s.", hint="Try again."
            ) from timeout
        except OSError as wrong:
            raise self._failed(wrong) from wrong

    def _replace(self, text: str) -> None:
        draft = self._path.with_name(derive_name("." + self._path.name, str(os.getpid()), LOCAL_FILE))
        mode = self._path.stat().st_mode & 0o777 if self._path.exists() else None
        try:
            descriptor = os.open(
                draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666 if mode is None else mode
            )
            if mode is not None:
                os.fchmod(descriptor, mode)  # a user's file keeps its mode; a new one follows the umask
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)

    def _failed(self, wrong: OSError) -> FlagsUnwritable:
        return FlagsUnwritable(f"{self._path} cannot be written: {wrong.strerror}.", hint=_HINT)
