"""The file of a page: checked before a run begins, and written atomically at its end."""

import importlib.util
import os
from contextlib import suppress
from pathlib import Path

from cartctl.errors import ConfigError, UsageError

EXTRA = {"jinja2": "jinja2", "vl_convert": "vl-convert-python"}  # module → package of the extra `report`


def check_destination(path: Path, option: str) -> None:
    """Raise UsageError for a path that cannot be written, ConfigError without the packages. Changes nothing."""
    missing = [name for module, name in EXTRA.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"The packages for HTML reports are not installed: {', '.join(missing)}.",
            hint="pip install 'cartctl[report]'",
        )
    if path.is_dir():
        raise UsageError(f"{path} is a directory.", hint=f"Specify a file: {option} {path / 'report.html'}")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is not a regular file.", hint=f"Use another file for {option}.")
    parent = next(each for each in path.absolute().parents if each.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"{path} cannot be written: check {parent}.", hint=f"Use another file for {option}.")


def write_all_at_once(path: Path, text: str) -> None:
    """Replace a file by a complete one; its permissions follow the umask. Raises UsageError if it cannot be written."""
    target = path.resolve()  # a link keeps pointing to it
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint="Use another file.") from error
