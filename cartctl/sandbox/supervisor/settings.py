"""ConfigMaps: a directory each, a file per key, a version that changes with every write."""

from collections.abc import Mapping
from pathlib import Path

from cartctl.private_files import private_directory, write_private

VERSION = ".version"


class Settings:
    """The ConfigMaps below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> tuple[dict[str, str], int]:
        """The keys of a ConfigMap and its version; none and 0 when there is none."""
        folder = self._directory / name
        if not folder.is_dir():
            return {}, 0
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(files)}, self._version(folder)

    def write(self, name: str, changes: Mapping[str, str | None], expected: int | None) -> bool:
        """Write or (None) remove keys; False, and nothing changed, when the version differs from `seen`."""
        folder = self._directory / name
        version = self._version(folder)
        if expected is not None and expected != version:
            return False
        private_directory(folder)
        for key, text in changes.items():
            if text is None:
                (folder / key).unlink(missing_ok=True)
            else:
                write_private(folder / key, text)
        write_private(folder / VERSION, str(version + 1))
        return True

    @staticmethod
    def _version(folder: Path) -> int:
        try:
            return int((folder / VERSION).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
